#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "io/config/job.h"

namespace qsweep {

/// Options that choose a scheme by the name of a configuration or by rules.
struct PresetOptions {
  std::string preset, family, mode, method, rules;
  std::vector<std::string> skip, exclude_nodes, exclude_types;
};

/// @param instead option that names a scheme otherwise and so excludes these; null: none
void add_preset_options(CLI::App& command, PresetOptions& options, CLI::Option* instead = nullptr);

/// Puts the options that were given into the job's `quantization:` block, over what it has.
/// @param algorithm as given on the command line; empty: the preset's or the rules'
/// @throws Error(usage) on options that contradict each other.
void apply(const PresetOptions& options, const std::string& algorithm, JobConfig& job);

}  // namespace qsweep

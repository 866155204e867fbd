#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/cli/key_flags.h"

#include "io/config/job.h"

namespace qsweep {

/// Options that choose a scheme by the name of a configuration or by rules.
struct PresetOptions {
  std::string mode, method;
  KeyFlags flags;  ///< the others
  CLI::Option* rules = nullptr;
};

/// The file of --rules; empty when it was not given.
[[nodiscard]] std::filesystem::path rules_file(const PresetOptions& options);

/// @param instead option that names a scheme otherwise and so excludes these; null: none
void add_preset_options(CLI::App& command, PresetOptions& options, CLI::Option* instead = nullptr);

/// What the options give, as keys of the job's `quantization:` block.
/// @throws Error(usage) on options that contradict each other.
[[nodiscard]] std::vector<Override> overrides_of(const PresetOptions& options);

/// @throws Error(usage) when layers are to be kept out of a configuration that the job lacks.
void check_preset(const PresetOptions& options, const JobConfig& job);

}  // namespace qsweep

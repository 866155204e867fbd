#pragma once

#include <string>

#include "src/cli/data_options.h"
#include "src/cli/preset_options.h"

#include "sweep/run/export_scheme.h"

namespace qsweep {

/// Where a command takes a scheme and its model from: the command line, or a run directory.
struct SchemeSource {
  DataOptions data;
  PresetOptions preset;
  std::string run;
  std::string scheme;
};

/// Adds the model, --data and their kin, --run, --scheme and the options of presets.
/// @param data_use what --data does for this command, for its help
void add_scheme_source(CLI::App& command, SchemeSource& source, const std::string& data_use);

/// @throws Error(usage) unless one of model and run is named, and with a run a scheme
void check_source(const SchemeSource& source, const std::string& command);

/// The scheme with everything that a file of it needs. The source must have passed check_source().
[[nodiscard]] SchemeFile make_scheme_file(const SchemeSource& source,
                                          const ExportOptions& options,
                                          const ExportPlaces& places,
                                          Session& session,
                                          Progress& progress);

}  // namespace qsweep

#pragma once

#include <string_view>

/// The scripts of io/kit/files, put into the library when it is built.
namespace qsweep::kit {

extern const std::string_view kMeasureOnnxRuntime;
extern const std::string_view kMeasureTrtexec;

}  // namespace qsweep::kit

#pragma once

#include <string_view>

/// The parts of report.html, embedded at build time (embed.cmake).
namespace qsweep::report {

extern const std::string_view kPageHtml;  ///< skeleton with {{NAME}} placeholders
extern const std::string_view kPageStyle;
extern const std::string_view kPageScript;
extern const std::string_view kChartScript;  ///< Chart.js, MIT licence notice included

}  // namespace qsweep::report

#include "io/report/detail/json.h"
#include "io/report/report.h"

namespace qsweep {

std::string render_calibration_json(const RunResults& results) {
  using report::Json;
  Json tensors = Json::array();
  for (const RunResults::Calibration& c : results.calibration_stats) {
    const RangeReport& r = c.ranges;
    Json json = {{"tensor", c.tensor},
                 {"layer", c.layer},
                 {"images", c.images},
                 {"min", c.min},
                 {"max", c.max}};
    if (!r.choices.empty()) {
      json["central_98_percent"] = {r.central_low, r.central_high};
      json["outlier_ratio"] = r.outlier_ratio;
      json["stretched"] = r.is_stretched;
      json["best"] = name_of(r.best);
    }
    json["calibrators"] = Json::object();
    for (const RangeReport::Choice& choice : r.choices) {
      json["calibrators"][std::string(name_of(choice.kind))] = {{"low", choice.low},
                                                                {"high", choice.high},
                                                                {"clipped", choice.clipped},
                                                                {"codes_used", choice.codes_used},
                                                                {"error", choice.error}};
    }
    tensors.push_back(std::move(json));
  }
  return report::to_text({{"model", report::to_json(results.model)},
                          {"calibration", report::to_json(results.calibration, true)},
                          {"calibrator", results.calibrator},
                          {"tensors", tensors},
                          {"warnings", results.calibration_warnings}});
}

}  // namespace qsweep

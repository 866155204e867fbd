#include "io/timings/timings.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/base/text.h"

#include "io/timings/detail/readers.h"

namespace qsweep {

Timings read_timings(std::string_view text, const std::string& model, const std::string& where) {
  const std::string_view content = trim(text);
  if (content.empty()) throw Error(ErrorCode::corrupt_input, "the file is empty", where);
  if (content.front() == '{' || (content.front() == '[' && timings::looks_like_json(content)))
    return timings::read_json(content, model, where);
  if (timings::looks_like_trtexec(content)) return timings::read_trtexec(content, model, where);
  return timings::read_csv(text, where);
}

std::vector<std::string> split_kernel_name(std::string_view name) {
  std::vector<std::string> found;
  const auto add = [&](std::string_view part) {
    part = trim(part);
    if (!part.empty() && std::ranges::find(found, part) == found.end()) found.emplace_back(part);
  };
  if (name.starts_with("Reformatting CopyNode") || name.starts_with("ReorderInput") ||
      name.starts_with("ReorderOutput"))
    return found;
  add(name);
  // TensorRT: `a + b`, `PWN(PWN(a), b)`, `{ForeignNode[a...b]}`, `[ONNX Layer: a]`.
  std::string flat(name);
  for (const char* wrap : {"PWN", "ForeignNode", "ONNX Layer:", "..."}) {
    for (std::size_t at = flat.find(wrap); at != std::string::npos; at = flat.find(wrap, at))
      flat.replace(at, std::string_view(wrap).size(), "\x1f");
  }
  for (char& c : flat) {
    if (c == '(' || c == ')' || c == '[' || c == ']' || c == '{' || c == '}' || c == '\x1e')
      c = '\x1f';
  }
  for (const std::string_view joint : {" + ", " || "}) {
    for (std::size_t at = flat.find(joint); at != std::string::npos; at = flat.find(joint, at))
      flat.replace(at, joint.size(), "\x1f");
  }
  for (const std::string& group : split(flat, '\x1f')) {
    for (const std::string& part : split(group, ',')) add(part);
  }
  // ONNX Runtime: `name_quant`, `tensor_nchwc`, `name_nhwc`, `name_token_7`; QDQ files:
  // `tensor_QuantizeLinear`, `name_bias_DequantizeLinear/duplicated`.
  std::string_view rest = name;
  for (bool cut = true; cut;) {
    cut = false;
    for (const std::string_view suffix :
         {"/duplicated", "_QuantizeLinear", "_DequantizeLinear", "_dq", "_Cast", "_bias", "_quant",
          "_nchwc", "_nhwc", "_fused"}) {
      if (rest.ends_with(suffix)) {
        rest.remove_suffix(suffix.size());
        cut = true;
      }
    }
    for (const std::string_view number : {"_token_", "#"}) {
      const std::size_t at = rest.rfind(number);
      if (at == std::string_view::npos || at + number.size() == rest.size() ||
          rest.find_first_not_of("0123456789", at + number.size()) != std::string_view::npos)
        continue;
      rest = rest.substr(0, at);
      cut = true;
    }
    if (cut) add(rest);
  }
  return found;
}

}  // namespace qsweep

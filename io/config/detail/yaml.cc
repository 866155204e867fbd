#include "io/config/detail/yaml.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>

#include "src/base/text.h"

namespace qsweep::config {

namespace {

constexpr int kMaxNodes = 200'000;
constexpr int kMaxDepth = 200;

/// Makes the errors about a text.
struct Source {
  const std::string& where;
  bool is_file;

  [[noreturn]] void fail(const std::string& what, int line, const std::string& hint = {}) const {
    throw Error(ErrorCode::config, what, is_file ? fmt::format("{}:{}", where, line) : where, hint);
  }
  [[noreturn]] void fail(const std::string& what, const YAML::Mark& mark) const {
    fail(what, mark.is_null() ? 1 : mark.line + 1);
  }
};

int line_of(const std::string& text, std::size_t at) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<long>(at), '\n'));
}

/// Length of the UTF-8 sequence at `at`, or 0 where there is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = at + 1; i < at + length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

/// The library takes other bytes for something else, or for the end.
void check_text(const std::string& text, const Source& source) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    if (length == 0) source.fail("not UTF-8 text", line_of(text, at), "Is this a YAML file?");
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < ' ' && c != '\n' && c != '\r' && c != '\t') {
      source.fail(fmt::format("a control character (0x{:02x}) in the text", c), line_of(text, at),
                  "Is this a YAML file?");
    }
    at += length;
  }
}

/// YAML is indented by spaces only; the library's messages do not say so.
std::string hint_about(const std::string& text, int line) {
  const std::vector<std::string> lines = split(text, '\n');
  if (line < 0 || static_cast<std::size_t>(line) >= lines.size()) return {};
  const std::string& at = lines[static_cast<std::size_t>(line)];
  const std::string indent = at.substr(0, at.find_first_not_of(" \t"));
  return indent.find('\t') == std::string::npos ? "" : "Indent by spaces: this line has a tab";
}

/// Walks the document as its readers will, aliases followed, and resolves merge keys.
class Merger {
 public:
  explicit Merger(const Source& source) : source_(&source) {}

  void visit(YAML::Node node, int depth = 0) {
    if (++nodes_ > kMaxNodes || depth > kMaxDepth) {
      source_->fail("aliases repeat or contain themselves too often", node.Mark());
    }
    if (node.IsMap()) merge(node, depth);
    for (const auto& child : node) {
      visit(node.IsMap() ? child.second : YAML::Node(child), depth + 1);
    }
  }

 private:
  void merge(YAML::Node& node, int depth) {
    std::vector<YAML::Node> merged;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar() || entry.first.Scalar() != "<<") continue;
      if (!merged.empty()) source_->fail("'<<' is given twice", entry.first.Mark());
      const YAML::Node& value = entry.second;
      if (value.IsMap()) merged.push_back(value);
      for (std::size_t i = 0; value.IsSequence() && i < value.size(); ++i) {
        merged.push_back(value[i]);
      }
      const bool is_sound = !merged.empty() && std::ranges::all_of(merged, [](const YAML::Node& m) {
        return m.IsMap();
      });
      if (!is_sound) {
        source_->fail("'<<' must name a mapping, or a list of mappings", entry.first.Mark());
      }
    }
    if (merged.empty()) return;
    node.remove("<<");
    for (const YAML::Node& from : merged) {
      visit(from, depth + 1);
      for (const auto& entry : from) {
        const bool is_known =
            entry.first.IsScalar() && std::as_const(node)[entry.first.Scalar()].IsDefined();
        if (!is_known) node.force_insert(entry.first, entry.second);
      }
    }
  }

  const Source* source_;
  int nodes_ = 0;
};

/// A copy of `node` with `value` at the path `keys`. The nodes on the way are copied, since aliases
/// may share them; the others are not.
YAML::Node laid_over(const YAML::Node& node,
                     std::span<const std::string> keys,
                     const YAML::Node& value,
                     const Place& place) {
  if (keys.empty()) return value;
  const std::string& key = keys.front();
  const Place child = place.child(key);
  const auto changed = [&](const YAML::Node& old) {
    return laid_over(old, keys.subspan(1), value, child);
  };
  if (node.IsSequence()) {
    std::size_t index = 0;
    const auto [stop, error] = std::from_chars(key.data(), key.data() + key.size(), index);
    if (error != std::errc() || stop != key.data() + key.size() || index >= node.size()) {
      child.fail(node, fmt::format("names no item of a list of {}", node.size()));
    }
    YAML::Node copy(YAML::NodeType::Sequence);
    for (std::size_t i = 0; i < node.size(); ++i) {
      copy.push_back(i == index ? changed(node[i]) : node[i]);
    }
    return copy;
  }
  if (node.IsScalar()) {
    child.fail(node, fmt::format("lies below '{}', which is a single value", place.path()));
  }
  YAML::Node copy(YAML::NodeType::Map);
  bool is_new = true;
  for (const auto& entry : node) {
    const bool is_here = entry.first.IsScalar() && entry.first.Scalar() == key;
    copy.force_insert(entry.first, is_here ? changed(entry.second) : entry.second);
    is_new = is_new && !is_here;
  }
  if (is_new) copy.force_insert(key, changed(YAML::Node()));
  return copy;
}

}  // namespace

namespace {

/// Notes where documents begin.
class DocumentStarts : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { starts.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&,
                const std::string&,
                YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&,
                       const std::string&,
                       YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&,
                  const std::string&,
                  YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  std::vector<YAML::Mark> starts;
};

/// Where a second document begins; a null mark when there is none. YAML::LoadAll() would tell too,
/// but never ends where something is left behind a document that no document can begin with.
YAML::Mark second_document(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DocumentStarts found;
  for (int i = 0; i < 2 && parser.HandleNextDocument(found); ++i) {
  }
  return found.starts.size() < 2 ? YAML::Mark::null_mark() : found.starts[1];
}

}  // namespace

YAML::Node parse_yaml(const std::string& text, const std::string& where, bool is_file) {
  const Source source{where, is_file};
  check_text(text, source);
  try {
    YAML::Node root = YAML::Load(text);
    if (const YAML::Mark second = second_document(text); !second.is_null())
      source.fail("a second YAML document begins", second);
    Merger(source).visit(root);
    return root;
  } catch (const YAML::Exception& error) {
    source.fail("not valid YAML: " + error.msg, error.mark.line + 1,
                hint_about(text, error.mark.line));
  }
}

bool is_utf8(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

void apply_override(YAML::Node& root, const Override& over, Document& document) {
  const std::vector<std::string> keys = split(over.key, '.');
  if (std::ranges::any_of(keys, &std::string::empty)) {
    throw Error(ErrorCode::config, "an override is not of the form KEY.KEY=VALUE", over.typed);
  }
  document.overrides.push_back(over);
  root.reset(laid_over(root, keys, parse_yaml(over.value, over.typed, false), Place(document)));
}

}  // namespace qsweep::config

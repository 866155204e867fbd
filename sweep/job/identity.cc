#include "sweep/job/identity.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "src/base/hash.h"
#include "src/base/machine.h"
#include "src/base/text.h"

#include "src/kernels/linear.h"

#include "sweep/job/source_digest.h"

namespace qsweep {
namespace {

constexpr std::size_t kShownDifferences = 8;
constexpr std::size_t kShownBytes = 60;
/// Layout and meaning of what records hold (sweep/work/records.proto and the types inside).
constexpr std::string_view kRecordSchema = "3";

bool belongs(const Identity::Entry& entry, IdentityUse use) {
  if (entry.is_engine) return use == IdentityUse::statistics || use == IdentityUse::records;
  switch (use) {
    case IdentityUse::statistics:
      return entry.decides == Decides::statistics;
    case IdentityUse::schemes:
      return entry.decides == Decides::statistics || entry.decides == Decides::schemes;
    case IdentityUse::records:
      return entry.decides == Decides::statistics || entry.decides == Decides::schemes ||
             entry.decides == Decides::outcomes;
    case IdentityUse::latency:
      return entry.decides == Decides::latency || entry.name == "model";
  }
  return false;
}

std::string one_line(std::string value) {
  std::ranges::replace(value, '\n', ' ');
  return value.empty() ? "none" : value;
}

std::string shortened(const std::string& value) {
  return value.size() <= kShownBytes ? value : value.substr(0, kShownBytes - 3) + "...";
}

const Identity::Entry* find(const Identity& identity, const std::string& name) {
  const auto at = std::ranges::find(identity.entries(), name, &Identity::Entry::name);
  return at == identity.entries().end() ? nullptr : &*at;
}

}  // namespace

void Identity::add(std::string name, std::string value, Decides decides) {
  entries_.push_back({std::move(name), one_line(std::move(value)), decides, false});
}

void Identity::add_engine(std::string name, std::string value) {
  entries_.push_back({std::move(name), one_line(std::move(value)), Decides::nothing, true});
}

Identity Identity::part(IdentityUse use) const {
  Identity part;
  std::ranges::copy_if(entries_, std::back_inserter(part.entries_),
                       [use](const Entry& entry) { return belongs(entry, use); });
  return part;
}

std::string Identity::digest() const {
  Sha256 hash;
  hash.update(text());
  return hash.hex();
}

std::string Identity::text() const {
  std::string text;
  for (const Entry& e : entries_) text += e.name + " " + e.value + "\n";
  return text;
}

Identity Identity::parse(std::string_view text) {
  Identity identity;
  for (const std::string& line : split(std::string(text), '\n')) {
    const std::size_t blank = line.find(' ');
    if (line.empty()) continue;
    identity.add(line.substr(0, blank),
                 blank == std::string::npos ? std::string() : line.substr(blank + 1),
                 Decides::nothing);
  }
  return identity;
}

std::vector<Identity::Difference> differences(const Identity& was, const Identity& is) {
  std::vector<Identity::Difference> found;
  for (const Identity::Entry& now : is.entries()) {
    const Identity::Entry* before = find(was, now.name);
    const std::string old = before == nullptr ? "none" : before->value;
    if (old != now.value) found.push_back({now.name, old, now.value});
  }
  for (const Identity::Entry& before : was.entries()) {
    if (find(is, before.name) == nullptr) found.push_back({before.name, before.value, "none"});
  }
  return found;
}

std::string describe(std::span<const Identity::Difference> differences) {
  std::string text;
  for (const Identity::Difference& d :
       differences.first(std::min(differences.size(), kShownDifferences))) {
    text += fmt::format("{}{} was {}, is {}", text.empty() ? "" : "; ", d.name, shortened(d.was),
                        shortened(d.is));
  }
  if (differences.size() > kShownDifferences)
    text += fmt::format("; and {} more", differences.size() - kShownDifferences);
  return text;
}

void add_engine(Identity& identity) {
  const Machine& machine = this_machine();
  identity.add_engine("program", fmt::format("qsweep {} {}", version(), source_digest()));
  identity.add_engine("libraries", kernel_libraries());
  identity.add_engine("instruction_sets",
                      fmt::format("avx512 {}, vnni {}, oneDNN {}", machine.has_avx512,
                                  machine.has_vnni, library_instruction_set()));
  identity.add_engine("record_schema", std::string(kRecordSchema));
}

std::string engine_identity() {
  Identity engine;
  add_engine(engine);
  return join(split(engine.text(), '\n'), "; ");
}

}  // namespace qsweep

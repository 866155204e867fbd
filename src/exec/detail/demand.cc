#include "src/exec/detail/demand.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace qsweep::detail {
namespace {

using Kind = Instruction::Kind;

/// What a layer does to its input before the kernel reads it.
struct Quantizer {
  ValueId input;
  Format format;
  int axis;
  bool codes;
  std::vector<float> scale;  ///< equal scales of one value mean equal ranges
  bool operator==(const Quantizer&) const = default;
};

const QuantizerPlacement kNowhere;

class DemandFinder {
 public:
  DemandFinder(const Program& program,
               const Trace& trace,
               std::span<const Precision> precisions,
               std::span<const Assignment> schemes,
               const WalkOptions& options)
      : program_(program),
        trace_(trace),
        precisions_(precisions),
        schemes_(schemes),
        options_(options),
        chain_(program, options.placement == nullptr ? kNowhere : *options.placement, precisions),
        interned_(/*bucket_count=*/1024, Hash{this}, Same{this}),
        current_(program.graph().values.size(), -1),
        layer_inputs_(program.layers().size(), -1),
        makers_(program.graph().values.size()) {
    for (const StepId id : ids<StepId>(program.steps().size())) {
      for (const ValueId value : program.step(id).outputs) {
        if (value != kNoValue) makers_[static_cast<std::size_t>(value)] = id;
      }
    }
    find_quantizers();
  }

  Demand find() {
    const StepId end(program_.steps().size());
    sort_schemes();
    const double float_work = std::accumulate(trace_.work.begin(), trace_.work.end(), 0.0);
    const Assignment* previous = nullptr;
    for (const std::int32_t scheme : demand_.order) {
      const Assignment& assignment = schemes_[static_cast<std::size_t>(scheme)];
      if (!options_.reuse) interned_.clear();
      StepId first(0);
      if (previous != nullptr && options_.reuse) {
        const auto changed = std::ranges::mismatch(assignment, *previous).in1 - assignment.begin();
        first = changed < std::ssize(assignment) ? program_.step_of(LayerId(changed)) : end;
      } else {
        current_[static_cast<std::size_t>(program_.input())] = load_input();
      }
      for (StepId s = options_.probe ? StepId(0) : first; s < end; ++s) {
        if (s >= first) visit_step(s, assignment);
        const LayerId layer = program_.step(s).layer;
        const bool probed = options_.probe && layer && assignment[layer.index()] != 0;
        if (probed) probe(s, scheme, assignment);
      }
      emit(scheme);
      if (scheme == 0) baseline_ = current_;
      demand_.work_without_reuse += float_work + quantizer_work(assignment);
      previous = &assignment;
    }
    return std::move(demand_);
  }

 private:
  /// Computations are compared by content; a candidate stands at the end of demand_.computations.
  struct Hash {
    const DemandFinder* self;
    std::size_t operator()(std::int32_t id) const {
      const Computation& c = self->computation(id);
      std::uint64_t h = mix64(static_cast<std::uint64_t>(c.kind), self->identity(c));
      for (const Key key : self->demand_.operands_of(c))
        h = mix64(h, static_cast<std::uint64_t>(key));
      return static_cast<std::size_t>(h);
    }
  };
  struct Same {
    const DemandFinder* self;
    bool operator()(std::int32_t a, std::int32_t b) const {
      const Computation& x = self->computation(a);
      const Computation& y = self->computation(b);
      return x.kind == y.kind && self->identity(x) == self->identity(y) &&
             std::ranges::equal(self->demand_.operands_of(x), self->demand_.operands_of(y));
    }
  };

  [[nodiscard]] const Computation& computation(std::int32_t id) const {
    return demand_.computations[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] std::size_t slot(LayerId layer, int precision) const {
    return layer.index() * precisions_.size() + static_cast<std::size_t>(precision);
  }
  /// What a computation does, apart from its operands.
  [[nodiscard]] std::uint64_t identity(const Computation& c) const {
    if (c.kind == Kind::quantize)
      return static_cast<std::uint64_t>(quantizers_[slot(c.layer, c.precision)]);
    return static_cast<std::uint64_t>(c.step.value()) * 256 + c.precision;
  }

  /// Layers that read the same value at the same activation format, scaled alike (and want the same
  /// kind of operand, codes or reals), share a quantizer.
  void find_quantizers() {
    quantizers_.resize(program_.layers().size() * precisions_.size(), -1);
    for (const LayerId layer : ids<LayerId>(program_.layers().size())) {
      const Layer& l = program_.layer(layer);
      const ValueId input = l.input;
      for (int p = 0; p < static_cast<int>(precisions_.size()); ++p) {
        const Precision& precision = precisions_[static_cast<std::size_t>(p)];
        std::vector<float> scale;
        if (options_.adaptations != nullptr && !options_.adaptations->empty()) {
          scale = options_.adaptations->at(layer.index()).at(static_cast<std::size_t>(p)).scale;
        }
        if (!precision.activation.is_quantized() && scale.empty()) continue;
        const Quantizer wanted{input, precision.activation,
                               activation_axis(l, precision.activation),
                               uses_integer_kernel(precision), std::move(scale)};
        const auto found = std::ranges::find(known_, wanted);
        quantizers_[slot(layer, p)] = static_cast<int>(found - known_.begin());
        if (found != known_.end()) continue;
        known_.push_back(wanted);
        const std::int64_t elements = element_count(trace_.shapes[static_cast<std::size_t>(input)]);
        quantizer_bytes_.push_back(elements * (wanted.codes ? 1 : 4));
        quantizer_work_.push_back(2.0 * kWorkPerElement * static_cast<double>(elements));
      }
    }
    seen_by_.resize(known_.size(), nullptr);
  }

  void sort_schemes() {
    for (const Assignment& assignment : schemes_) {
      QSWEEP_CHECK(assignment.size() == program_.layers().size());
      for (const std::uint8_t p : assignment) QSWEEP_CHECK(p < precisions_.size());
    }
    if (options_.probe) {
      QSWEEP_CHECK(!schemes_.empty() &&
                   std::ranges::all_of(schemes_[0], [](int p) { return p == 0; }));
    }
    demand_.order.resize(schemes_.size());
    std::iota(demand_.order.begin(), demand_.order.end(), 0);
    std::ranges::stable_sort(demand_.order, [this](std::int32_t a, std::int32_t b) {
      return schemes_[static_cast<std::size_t>(a)] < schemes_[static_cast<std::size_t>(b)];
    });
  }

  double quantizer_work(const Assignment& assignment) {
    double work = 0.0;
    for (const LayerId layer : ids<LayerId>(assignment.size())) {
      const int q = quantizers_[slot(layer, assignment[layer.index()])];
      if (q < 0 || seen_by_[static_cast<std::size_t>(q)] == &assignment) continue;
      seen_by_[static_cast<std::size_t>(q)] = &assignment;
      work += quantizer_work_[static_cast<std::size_t>(q)];
    }
    return work;
  }

  /// The computation equal to `candidate` (whose operands were just appended), new or known. New
  /// ones are put into the sequence; `bytes` are those of its outputs.
  const Computation& intern(Computation candidate, std::span<const std::int64_t> bytes) {
    candidate.outputs = static_cast<std::uint16_t>(bytes.size());
    candidate.first_output = static_cast<Key>(demand_.producers.size());
    const auto id = static_cast<std::int32_t>(demand_.computations.size());
    demand_.computations.push_back(candidate);
    const auto [known, is_new] = interned_.insert(id);
    if (!is_new) {
      demand_.computations.pop_back();
      demand_.operands.resize(candidate.at);
      return computation(*known);
    }
    demand_.producers.insert(demand_.producers.end(), bytes.size(), id);
    demand_.bytes.insert(demand_.bytes.end(), bytes.begin(), bytes.end());
    demand_.actions.push_back({candidate.kind, candidate.precision, candidate.operands, id,
                               candidate.layer, -1, candidate.at});
    return demand_.computations.back();
  }

  Computation candidate(Kind kind, std::span<const Key> operands) {
    Computation c;
    c.kind = kind;
    c.at = static_cast<std::uint32_t>(demand_.operands.size());
    c.operands = static_cast<std::uint16_t>(operands.size());
    demand_.operands.insert(demand_.operands.end(), operands.begin(), operands.end());
    return c;
  }

  Key load_input() {
    const std::int64_t bytes = trace_.bytes[static_cast<std::size_t>(program_.input())];
    return intern(candidate(Kind::input, {}), {&bytes, 1}).first_output;
  }

  Key quantize(LayerId layer, int precision, Key input) {
    const auto q = static_cast<std::size_t>(quantizers_[slot(layer, precision)]);
    Computation c = candidate(Kind::quantize, {&input, 1});
    c.precision = static_cast<std::uint8_t>(precision);
    c.layer = layer;
    c.work = quantizer_work_[q];
    return intern(c, {&quantizer_bytes_[q], 1}).first_output;
  }

  /// A value as a reader of reals gets it: rounded where the target's file rounds it.
  Key real(ValueId id) {
    const Key raw = current_[static_cast<std::size_t>(id)];
    const StepId maker = makers_[static_cast<std::size_t>(id)];
    if (!maker || !chain_.rounds(maker)) return raw;
    Computation c = candidate(Kind::round, {&raw, 1});
    c.precision = static_cast<std::uint8_t>(chain_.format_of(id));
    c.step = maker;
    c.work = 2.0 * kWorkPerElement *
             static_cast<double>(element_count(trace_.shapes[static_cast<std::size_t>(id)]));
    return intern(c, {&trace_.bytes[static_cast<std::size_t>(id)], 1}).first_output;
  }

  /// What the kernel of a layer reads.
  Key layer_input(const Step& step, std::uint8_t precision) {
    const ValueId input = step.inputs[0];
    const int q = quantizers_[slot(step.layer, precision)];
    if (q < 0) return real(input);
    // Rounding to codes what was rounded to the same ones gives these.
    const int format = chain_.format_of(input);
    const Quantizer& wanted = known_[static_cast<std::size_t>(q)];
    const bool is_same = format != Chain::kReal && wanted.scale.empty() &&
                         chain_.formats()[static_cast<std::size_t>(format)] == wanted.format;
    return quantize(step.layer, precision,
                    is_same ? current_[static_cast<std::size_t>(input)] : real(input));
  }

  void visit_step(StepId id, const Assignment& assignment) {
    const Graph& graph = program_.graph();
    const Step& step = program_.step(id);
    std::uint8_t precision = 0;
    std::vector<Key> keys;
    if (step.layer) {
      precision = assignment[step.layer.index()];
      keys.push_back(layer_input(step, precision));
      layer_inputs_[step.layer.index()] = keys[0];
    } else {
      for (const ValueId value : step.inputs) {
        if (value != kNoValue && !graph.is_constant(value)) keys.push_back(real(value));
      }
    }
    chain_.visit(id, precision);
    sizes_.clear();
    for (const ValueId value : step.outputs) {
      sizes_.push_back(value == kNoValue ? 0 : trace_.bytes[static_cast<std::size_t>(value)]);
    }
    Computation c = candidate(Kind::compute, keys);
    c.precision = precision;
    c.step = id;
    c.layer = step.layer;
    c.work = trace_.work[id.index()];
    Key output = intern(c, sizes_).first_output;
    for (const ValueId value : step.outputs) {
      if (value != kNoValue) current_[static_cast<std::size_t>(value)] = output;
      ++output;
    }
  }

  void probe(StepId id, std::int32_t scheme, const Assignment& assignment) {
    const Step& step = program_.step(id);
    const std::size_t layer = step.layer.index();
    const auto output = static_cast<std::size_t>(step.outputs[0]);
    const Key keys[] = {current_[static_cast<std::size_t>(step.inputs[0])], layer_inputs_[layer],
                        current_[output], baseline_[output]};
    hand_over(Kind::probe, assignment[layer], step.layer, scheme, keys);
    const auto [first, is_first] =
        inputs_probed_.try_emplace({step.layer, keys[0], keys[1]}, scheme);
    if (!is_first) demand_.actions.back().twin = first->second;
  }

  void emit(std::int32_t scheme) {
    std::vector<Key> keys;
    for (const ValueId id : program_.graph().outputs) {
      if (!program_.graph().is_constant(id)) keys.push_back(real(id));
    }
    hand_over(Kind::emit, 0, {}, scheme, keys);
  }

  void hand_over(Kind kind,
                 std::uint8_t precision,
                 LayerId layer,
                 std::int32_t scheme,
                 std::span<const Key> keys) {
    demand_.actions.push_back({kind, precision, static_cast<std::uint16_t>(keys.size()), -1, layer,
                               scheme, static_cast<std::uint32_t>(demand_.operands.size())});
    demand_.operands.insert(demand_.operands.end(), keys.begin(), keys.end());
  }

  const Program& program_;
  const Trace& trace_;
  std::span<const Precision> precisions_;
  std::span<const Assignment> schemes_;
  WalkOptions options_;

  Chain chain_;

  Demand demand_;
  std::unordered_set<std::int32_t, Hash, Same> interned_;
  std::vector<Key> current_;       ///< by ValueId, in the scheme at hand
  std::vector<Key> baseline_;      ///< by ValueId, in scheme 0
  std::vector<Key> layer_inputs_;  ///< by layer: what its kernel reads in the scheme at hand
  std::vector<StepId> makers_;     ///< by ValueId: the step that computes it
  std::map<std::tuple<LayerId, Key, Key>, std::int32_t> inputs_probed_;  ///< the first scheme
  std::vector<int> quantizers_;   ///< by slot(layer, precision); -1: the input is left alone
  std::vector<Quantizer> known_;  ///< by quantizer
  std::vector<std::int64_t> quantizer_bytes_;
  std::vector<double> quantizer_work_;
  std::vector<const Assignment*> seen_by_;  ///< by quantizer: the last scheme it was counted for
  std::vector<std::int64_t> sizes_;         ///< scratch
};

}  // namespace

Demand find_demand(const Program& program,
                   const Trace& trace,
                   std::span<const Precision> precisions,
                   std::span<const Assignment> schemes,
                   const WalkOptions& options) {
  return DemandFinder(program, trace, precisions, schemes, options).find();
}

}  // namespace qsweep::detail

#include <algorithm>
#include <map>
#include <string>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/operator.h"
#include "src/kernels/detail/strided.h"

namespace qsweep::detail {
namespace {

/// A tensor whose axes are named by the characters of `labels`, each once.
struct Term {
  std::string labels;
  Tensor values;
};

/// Axes under an ellipsis are labelled from the right by characters that no equation holds.
constexpr char kFirstEllipsisLabel = 1;
bool is_ellipsis(char label) {
  return label < ' ';
}

bool holds(const std::string& labels, char label) {
  return labels.find(label) != std::string::npos;
}

struct Equation {
  std::vector<std::string> terms;
  std::string result;
  std::map<char, std::int64_t> extents;  ///< by label
};

/// The labels of one operand, `...` written out as one label for each axis it stands for.
std::string expand_term(const OpCall& call, const std::string& text, std::size_t rank) {
  const std::size_t dots = text.find("...");
  std::string labels = text;
  if (dots != std::string::npos) {
    if (text.size() - 3 > rank || rank - (text.size() - 3) >= ' ')
      fail(call, "has a term '" + text + "' for rank " + std::to_string(rank));
    std::string axes;
    for (std::size_t i = rank - (text.size() - 3); i-- > 0;)
      axes += static_cast<char>(kFirstEllipsisLabel + static_cast<char>(i));
    labels.replace(dots, 3, axes);
  }
  const bool letters = std::ranges::all_of(labels, [](char c) {
    return is_ellipsis(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
  if (!letters || labels.size() != rank)
    fail(call, "has a term '" + text + "' for rank " + std::to_string(rank));
  return labels;
}

Equation parse(const OpCall& call, Inputs inputs) {
  std::string text = call.attributes.s("equation", "");
  std::erase(text, ' ');
  const std::size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  Equation equation;
  std::size_t begin = 0;
  for (const Tensor& input : inputs) {
    if (input.empty() || begin > left.size()) fail(call, "has other operands than '" + text + "'");
    const std::size_t end = std::min(left.find(',', begin), left.size());
    equation.terms.push_back(
        expand_term(call, left.substr(begin, end - begin), input.shape().size()));
    begin = end + 1;
    for (std::size_t i = 0; i < input.shape().size(); ++i) {
      const char label = equation.terms.back()[i];
      const std::int64_t extent = input.shape()[i];
      const auto [known, is_new] = equation.extents.emplace(label, extent);
      if (is_new || known->second == extent) continue;
      if (!is_ellipsis(label) || (extent != 1 && known->second != 1))
        fail(call, "has operands whose extents do not fit '" + text + "'");
      known->second = std::max(known->second, extent);
    }
  }
  if (begin <= left.size()) fail(call, "has other operands than '" + text + "'");
  std::size_t ellipsis_axes = 0;
  for (const auto& [label, extent] : equation.extents) ellipsis_axes += is_ellipsis(label) ? 1 : 0;
  if (arrow != std::string::npos) {
    const std::string right = text.substr(arrow + 2);
    const bool dots = right.find("...") != std::string::npos;
    equation.result =
        expand_term(call, right, dots ? right.size() - 3 + ellipsis_axes : right.size());
  } else {
    // Without a result: the ellipsis, then the labels that occur once, in alphabetical order.
    for (std::size_t i = ellipsis_axes; i-- > 0;)
      equation.result += static_cast<char>(kFirstEllipsisLabel + static_cast<char>(i));
    for (const auto& [label, extent] : equation.extents) {
      std::ptrdiff_t uses = 0;
      for (const std::string& term : equation.terms) uses += std::ranges::count(term, label);
      if (uses == 1 && !is_ellipsis(label)) equation.result += label;
    }
  }
  for (const char label : equation.result) {
    if (!equation.extents.contains(label) || std::ranges::count(equation.result, label) != 1)
      fail(call, "has an impossible result in '" + text + "'");
  }
  return equation;
}

/// The term with its axes in the order of `labels`.
Tensor ordered(const Term& term, const std::string& labels) {
  const Ints strides = strides_of(term.values.shape(), Layout::row_major);
  Box box;
  for (const char label : labels) {
    const std::size_t axis = term.labels.find(label);
    box.extents.push_back(term.values.shape()[axis]);
    box.source_strides.push_back(strides[axis]);
  }
  box.target_strides = strides_of(box.extents, Layout::row_major);
  Tensor y(DType::f32, box.extents);
  copy_box(term.values, y, box);
  return y;
}

/// An operand with each label once: repeated ones are a diagonal, broadcast ones go.
Term make_term(const OpCall& call, const Equation& equation, std::size_t i, const Tensor& x) {
  require_f32(call, x);
  const std::string& labels = equation.terms[i];
  const Ints strides = strides_of(x.shape(), Layout::row_major);
  Term term;
  Box box;
  for (std::size_t axis = 0; axis < labels.size(); ++axis) {
    if (x.shape()[axis] != equation.extents.at(labels[axis])) continue;  // 1, broadcast
    const std::size_t known = term.labels.find(labels[axis]);
    if (known != std::string::npos) {
      box.source_strides[known] += strides[axis];
      continue;
    }
    term.labels += labels[axis];
    box.extents.push_back(x.shape()[axis]);
    box.source_strides.push_back(strides[axis]);
  }
  box.target_strides = strides_of(box.extents, Layout::row_major);
  term.values = Tensor(DType::f32, box.extents);
  copy_box(x, term.values, box);
  return term;
}

/// Sums over the labels that nothing else needs.
Term summed(const Term& term, const std::string& needed) {
  std::string kept, dropped;
  for (const char label : term.labels) (holds(needed, label) ? kept : dropped) += label;
  if (dropped.empty()) return term;
  const Tensor rows = ordered(term, kept + dropped);
  Shape shape(rows.shape().begin(),
              rows.shape().begin() + static_cast<std::ptrdiff_t>(kept.size()));
  Tensor y(DType::f32, shape);
  const std::int64_t width = y.size() == 0 ? 0 : rows.size() / y.size();
  const float* in = rows.data<float>().data();
  for (float& value : y.mutable_data<float>()) {
    value = sum(in, width);
    in += width;
  }
  return {kept, y};
}

/// The product of two terms, summed over the labels they share that nothing else needs: a batched
/// matrix product.
Term multiplied(const OpCall& call,
                const Term& left,
                const Term& right,
                const std::string& needed) {
  const Term a = summed(left, needed + right.labels);
  const Term b = summed(right, needed + left.labels);
  std::string batch, rows, inner, columns;
  for (const char label : a.labels)
    (!holds(b.labels, label) ? rows : holds(needed, label) ? batch : inner) += label;
  for (const char label : b.labels) {
    if (!holds(a.labels, label)) columns += label;
  }
  const Tensor x = ordered(a, batch + rows + inner);
  const Tensor y = ordered(b, batch + inner + columns);
  // Extents of a run of labels, as one axis.
  const auto extent = [](const Tensor& t, std::size_t first, std::size_t count) {
    std::int64_t product = 1;
    for (std::size_t i = first; i < first + count; ++i) product *= t.shape()[i];
    return product;
  };
  const std::int64_t batches = extent(x, 0, batch.size());
  const std::int64_t depth = extent(y, batch.size(), inner.size());
  const Tensor operands[] = {
      x.reshaped({batches, extent(x, batch.size(), rows.size()), depth}),
      y.reshaped({batches, depth, extent(y, batch.size() + inner.size(), columns.size())})};
  const Tensor product = matmul_op(call, operands)[0];
  Shape shape(x.shape().begin(),
              x.shape().begin() + static_cast<std::ptrdiff_t>(batch.size() + rows.size()));
  shape.insert(shape.end(),
               y.shape().begin() + static_cast<std::ptrdiff_t>(batch.size() + inner.size()),
               y.shape().end());
  return {batch + rows + columns, product.reshaped(shape)};
}

}  // namespace

Tensors einsum(const OpCall& call, Inputs inputs) {
  const Equation equation = parse(call, inputs);
  Term term = make_term(call, equation, 0, inputs[0]);
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    std::string needed = equation.result;
    for (std::size_t later = i + 1; later < inputs.size(); ++later) needed += equation.terms[later];
    term = multiplied(call, term, make_term(call, equation, i, inputs[i]), needed);
  }
  term = summed(term, equation.result);
  // A label whose every operand was broadcast away has extent 1 and is not in the term.
  Shape shape;
  std::string present;
  for (const char label : equation.result) {
    shape.push_back(equation.extents.at(label));
    if (holds(term.labels, label)) present += label;
  }
  return {ordered(term, present).reshaped(shape)};
}

}  // namespace qsweep::detail

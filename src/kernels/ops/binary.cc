#include <cmath>
#include <limits>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/strided.h"

namespace qsweep::detail {
namespace {

void require_equal_types(const OpCall& call, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype()) {
    fail(call,
         "mixes " + std::string(name_of(a.dtype())) + " and " + std::string(name_of(b.dtype())));
  }
}

/// The second operand, with trailing extents of 1 where it starts at `axis` of the first: before
/// opset 7 nodes said so themselves (PRelu meant the channels).
Tensor aligned(const OpCall& call, const Tensor& a, const Tensor& b, std::int64_t fallback = -1) {
  const std::int64_t axis = call.opset < 7 ? call.attributes.i("axis", fallback) : -1;
  const std::int64_t trailing = a.rank() - axis - b.rank();
  if (axis < 0 || b.size() == 1 || trailing <= 0) return b;
  Shape shape = b.shape();
  shape.insert(shape.end(), static_cast<std::size_t>(trailing), 1);
  return b.to_layout(Layout::row_major).reshaped(shape);
}

Tensor broadcast_result(const OpCall& call,
                        DType dtype,
                        const std::vector<const Tensor*>& operands) {
  const Shape shape = broadcast_shape(call, operands);
  return make_result(call, dtype, shape, broadcast_layout(shape, operands));
}

/// y = f(a, b), element types A, B and R.
template <class A, class B, class R, class F>
Tensor combine(const OpCall& call, const Tensor& a, const Tensor& b, DType result, const F& f) {
  Tensor y = broadcast_result(call, result, {&a, &b});
  const A* in_a = a.data<A>().data();
  const B* in_b = b.data<B>().data();
  R* out = y.mutable_data<R>().data();
  broadcast_loop<2>({&a, &b}, y).run([&](const auto& offset, const auto& stride, std::int64_t n) {
    const A* row_a = in_a + offset[0];
    const B* row_b = in_b + offset[1];
    R* row = out + offset[2];
    for (std::int64_t i = 0; i < n; ++i)
      row[i * stride[2]] = f(row_a[i * stride[0]], row_b[i * stride[1]]);
  });
  return y;
}

Tensor float_arithmetic(const OpCall& call, const Tensor& a, const Tensor& b, Arithmetic op) {
  Tensor y = broadcast_result(call, DType::f32, {&a, &b});
  const float* in_a = a.data<float>().data();
  const float* in_b = b.data<float>().data();
  float* out = y.mutable_data<float>().data();
  // The result is walked in its own physical order, so its inner stride is 1 (or the run has one
  // element).
  broadcast_loop<2>({&a, &b}, y).run([&](const auto& offset, const auto& stride, std::int64_t n) {
    arithmetic_row(op, in_a + offset[0], stride[0], in_b + offset[1], stride[1], out + offset[2],
                   n);
  });
  return y;
}

/// Arithmetic that wraps as two's complement does, without undefined behaviour.
template <class T>
using Wrapping = std::make_unsigned_t<std::conditional_t<std::is_integral_v<T>, T, int>>;

template <class T>
T add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a + b;
  else
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
}
template <class T>
T subtract(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a - b;
  else
    return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
}
template <class T>
T multiply(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a * b;
  else
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
template <class T>
T divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a / b;
  else if constexpr (std::is_signed_v<T>)
    return b == T{-1} ? subtract(T{0}, a) : static_cast<T>(a / b);
  else
    return static_cast<T>(a / b);
}
/// ONNX Mod: fmod=1 keeps the sign of a, fmod=0 that of b.
template <class T>
T modulo(T a, T b, bool keep_sign) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fmod(a, b);
  } else {
    if constexpr (std::is_signed_v<T>) {
      if (b == T{-1}) return T{0};
    }
    const T rest = static_cast<T>(a % b);
    const bool other_sign = rest != T{0} && (rest < T{0}) != (b < T{0});
    return !keep_sign && other_sign ? static_cast<T>(rest + b) : rest;
  }
}

template <class T>
void require_nonzero(const OpCall& call, const Tensor& divisor) {
  if constexpr (std::is_integral_v<T>) {
    for (const T value : divisor.data<T>()) {
      if (value == T{0}) fail(call, "divides an integer by zero");
    }
  }
}

template <class T>
T from_double(double value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else {
    if (std::isnan(value)) return T{0};
    // max() may round up in double, so compare with the first value beyond it.
    if (value >= std::ldexp(1.0, std::numeric_limits<T>::digits))
      return std::numeric_limits<T>::max();
    if (value <= static_cast<double>(std::numeric_limits<T>::lowest()))
      return std::numeric_limits<T>::lowest();
    return static_cast<T>(value);
  }
}

}  // namespace

Tensors arithmetic(const OpCall& call, Inputs inputs) {
  const Tensor& a = inputs[0];
  const Tensor b = aligned(call, a, inputs[1]);
  require_equal_types(call, a, b);
  const bool mod = call.op == "Mod";
  if (a.dtype() == DType::f32 && !mod) {
    const Arithmetic op = call.op == "Add"   ? (call.relu ? Arithmetic::add_relu : Arithmetic::add)
                          : call.op == "Sub" ? Arithmetic::sub
                          : call.op == "Mul" ? Arithmetic::mul
                                             : Arithmetic::div;
    return {float_arithmetic(call, a, b, op)};
  }
  return visit_numeric(call, a.dtype(), [&]<class T>(std::type_identity<T>) -> Tensors {
    const auto with = [&](const auto& f) {
      return Tensors{combine<T, T, T>(call, a, b, a.dtype(), f)};
    };
    if (call.op == "Add" && call.relu) {
      return with([](T x, T y) {
        const T total = add(x, y);
        return total < T{0} ? T{0} : total;
      });
    }
    if (call.op == "Add") return with(add<T>);
    if (call.op == "Sub") return with(subtract<T>);
    if (call.op == "Mul") return with(multiply<T>);
    require_nonzero<T>(call, b);
    if (call.op == "Div") return with(divide<T>);
    const bool keep_sign = call.attributes.i("fmod", 0) != 0;
    if (std::is_floating_point_v<T> && !keep_sign) fail(call, "of floats needs fmod=1");
    return with([=](T x, T y) { return modulo(x, y, keep_sign); });
  });
}

Tensors power(const OpCall& call, Inputs inputs) {
  const Tensor& a = inputs[0];
  const Tensor b = aligned(call, a, inputs[1]);
  return visit_numeric(call, a.dtype(), [&]<class A>(std::type_identity<A>) -> Tensors {
    return visit_numeric(call, b.dtype(), [&]<class B>(std::type_identity<B>) -> Tensors {
      return {combine<A, B, A>(call, a, b, a.dtype(), [](A base, B exponent) {
        if constexpr (std::is_same_v<A, float> && std::is_same_v<B, float>) {
          return exponent == 2.0f ? base * base : std::pow(base, exponent);
        } else {
          return from_double<A>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
        }
      })};
    });
  });
}

Tensors comparison(const OpCall& call, Inputs inputs) {
  const Tensor& a = inputs[0];
  const Tensor b = aligned(call, a, inputs[1]);
  require_equal_types(call, a, b);
  const auto compare = [&]<class T>(std::type_identity<T>) -> Tensors {
    const auto with = [&](const auto& f) {
      return Tensors{combine<T, T, bool>(call, a, b, DType::boolean, f)};
    };
    if (call.op == "Equal") return with([](T x, T y) { return x == y; });
    if (call.op == "Greater") return with([](T x, T y) { return x > y; });
    if (call.op == "GreaterOrEqual") return with([](T x, T y) { return x >= y; });
    if (call.op == "Less") return with([](T x, T y) { return x < y; });
    return with([](T x, T y) { return x <= y; });
  };
  if (a.dtype() == DType::boolean && call.op == "Equal")
    return compare(std::type_identity<std::uint8_t>{});
  return visit_numeric(call, a.dtype(), compare);
}

Tensors logic(const OpCall& call, Inputs inputs) {
  const Tensor& a = inputs[0];
  const Tensor b = aligned(call, a, inputs[1]);
  if (a.dtype() != DType::boolean || b.dtype() != DType::boolean)
    fail(call, "needs boolean operands");
  using Byte = std::uint8_t;
  const auto with = [&](const auto& f) {
    return Tensors{combine<Byte, Byte, bool>(call, a, b, DType::boolean, f)};
  };
  if (call.op == "And") return with([](Byte x, Byte y) { return x != 0 && y != 0; });
  if (call.op == "Or") return with([](Byte x, Byte y) { return x != 0 || y != 0; });
  return with([](Byte x, Byte y) { return (x != 0) != (y != 0); });
}

Tensors bitwise(const OpCall& call, Inputs inputs) {
  const Tensor& a = inputs[0];
  const Tensor& b = inputs[1];
  require_equal_types(call, a, b);
  const std::string direction = call.attributes.s("direction", "");
  const bool shifts = call.op == "BitShift";
  if (shifts && direction != "LEFT" && direction != "RIGHT")
    fail(call, "has direction '" + direction + "'");
  return visit_numeric(call, a.dtype(), [&]<class T>(std::type_identity<T>) -> Tensors {
    if constexpr (std::is_integral_v<T>) {
      const auto with = [&](const auto& f) {
        return Tensors{combine<T, T, T>(call, a, b, a.dtype(), f)};
      };
      if (call.op == "BitwiseAnd") return with([](T x, T y) { return static_cast<T>(x & y); });
      if (call.op == "BitwiseOr") return with([](T x, T y) { return static_cast<T>(x | y); });
      if (call.op == "BitwiseXor") return with([](T x, T y) { return static_cast<T>(x ^ y); });
      if constexpr (std::is_unsigned_v<T>) {
        // A shift by the width or more leaves nothing.
        return with([left = direction == "LEFT"](T x, T y) {
          if (y >= std::numeric_limits<T>::digits) return T{0};
          const auto wide = static_cast<std::uint64_t>(x);
          return static_cast<T>(left ? wide << y : wide >> y);
        });
      }
    }
    refuse(call, "has no kernel for " + std::string(name_of(a.dtype())));
  });
}

Tensors prelu(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Tensor slope = aligned(call, x, inputs[1], 1);
  require_equal_types(call, x, slope);
  if (broadcast_shape(call, {&x, &slope}) != x.shape())
    fail(call, "has a slope larger than its input");
  return visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) -> Tensors {
    return {combine<T, T, T>(call, x, slope, x.dtype(),
                             [](T v, T s) { return v < T{0} ? multiply(s, v) : v; })};
  });
}

Tensors variadic(const OpCall& call, Inputs inputs) {
  for (const Tensor& input : inputs) {
    if (input.empty()) fail(call, "lacks an input");
    require_equal_types(call, inputs[0], input);
  }
  Tensor result = inputs[0];
  visit_numeric(call, result.dtype(), [&]<class T>(std::type_identity<T>) {
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      const auto with = [&](const auto& f) {
        result = combine<T, T, T>(call, result, inputs[i], result.dtype(), f);
      };
      if (call.op == "Max")
        with([](T a, T b) { return b > a || b != b ? b : a; });
      else if (call.op == "Min")
        with([](T a, T b) { return b < a || b != b ? b : a; });
      else
        with(add<T>);
    }
    if (call.op == "Mean" && inputs.size() > 1) {
      const auto count = static_cast<T>(inputs.size());
      Tensor mean(result.dtype(), result.shape(), result.layout());
      const auto in = result.data<T>();
      const auto out = mean.mutable_data<T>();
      for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<T>(in[i] / count);
      result = mean;
    }
  });
  return {result};
}

Tensors where(const OpCall& call, Inputs inputs) {
  const Tensor& condition = inputs[0];
  const Tensor& a = inputs[1];
  const Tensor& b = inputs[2];
  if (condition.dtype() != DType::boolean) fail(call, "needs a boolean condition");
  require_equal_types(call, a, b);
  Tensor y = broadcast_result(call, a.dtype(), {&condition, &a, &b});
  visit_size(a.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto* choose = condition.data<std::uint8_t>().data();
    const T* in_a = a.data<T>().data();
    const T* in_b = b.data<T>().data();
    T* out = y.mutable_data<T>().data();
    broadcast_loop<3>({&condition, &a, &b}, y)
        .run([&](const auto& offset, const auto& stride, std::int64_t n) {
          for (std::int64_t i = 0; i < n; ++i) {
            const bool first = choose[offset[0] + i * stride[0]] != 0;
            out[offset[3] + i * stride[3]] =
                first ? in_a[offset[1] + i * stride[1]] : in_b[offset[2] + i * stride[2]];
          }
        });
  });
  return {y};
}

}  // namespace qsweep::detail

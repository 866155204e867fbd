#include <cmath>
#include <numbers>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/operator.h"

namespace qsweep::detail {
namespace {

Tensor like(const Tensor& x, DType dtype) {
  return Tensor(dtype, x.shape(), x.layout());
}

template <class T, class R, class F>
Tensor map(const Tensor& x, DType result, const F& f) {
  Tensor y = like(x, result);
  const auto in = x.data<T>();
  const auto out = y.mutable_data<R>();
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = f(in[i]);
  return y;
}

template <class F>
Tensors map_f32(const OpCall& call, const Tensor& x, const F& f) {
  require_f32(call, x);
  return {map<float, float>(x, DType::f32, f)};
}

/// One of the array.h loops over all elements.
template <class F>
Tensors whole(const OpCall& call, const Tensor& x, const F& loop) {
  require_f32(call, x);
  Tensor y = like(x, DType::f32);
  loop(x.data<float>().data(), y.mutable_data<float>().data(), x.size());
  return {y};
}

}  // namespace

Tensors unary(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::string_view op = call.op;
  const auto attribute = [&](const char* name, float fallback) {
    return call.attributes.f(name, fallback);
  };
  const auto with = [&](const auto& f) { return map_f32(call, x, f); };
  if (op == "Sigmoid") return whole(call, x, sigmoid);
  if (op == "Exp") {
    return whole(call, x, [](const float* in, float* out, std::int64_t n) {
      exponential(in, 0.0f, out, n);
    });
  }
  if (op == "LeakyRelu") {
    const float slope = attribute("alpha", 0.01f);
    return whole(call, x, [slope](const float* in, float* out, std::int64_t n) {
      leaky_relu(in, slope, out, n);
    });
  }
  if (op == "Tanh") return with([](float v) { return std::tanh(v); });
  if (op == "Sqrt") return with([](float v) { return std::sqrt(v); });
  if (op == "Reciprocal") return with([](float v) { return 1.0f / v; });
  if (op == "Log") return with([](float v) { return std::log(v); });
  if (op == "Erf") return with([](float v) { return std::erf(v); });
  if (op == "Floor") return with([](float v) { return std::floor(v); });
  if (op == "Ceil") return with([](float v) { return std::ceil(v); });
  if (op == "Round") return with([](float v) { return std::nearbyint(v); });  // half to even
  if (op == "Sin") return with([](float v) { return std::sin(v); });
  if (op == "Cos") return with([](float v) { return std::cos(v); });
  if (op == "Tan") return with([](float v) { return std::tan(v); });
  if (op == "Asin") return with([](float v) { return std::asin(v); });
  if (op == "Acos") return with([](float v) { return std::acos(v); });
  if (op == "Atan") return with([](float v) { return std::atan(v); });
  if (op == "Sinh") return with([](float v) { return std::sinh(v); });
  if (op == "Cosh") return with([](float v) { return std::cosh(v); });
  if (op == "Asinh") return with([](float v) { return std::asinh(v); });
  if (op == "Acosh") return with([](float v) { return std::acosh(v); });
  if (op == "Atanh") return with([](float v) { return std::atanh(v); });
  if (op == "Softsign") return with([](float v) { return v / (1.0f + std::fabs(v)); });
  // max(x, 0) + log1p(e^-|x|) = log(1 + e^x) without overflow
  const auto softplus = [](float v) {
    return std::fmax(v, 0.0f) + std::log1p(std::exp(-std::fabs(v)));
  };
  if (op == "Softplus") return with(softplus);
  if (op == "Mish") return with([&](float v) { return v * std::tanh(softplus(v)); });
  if (op == "HardSigmoid" || op == "HardSwish") {
    const bool swish = op == "HardSwish";
    const float alpha = swish ? 1.0f / 6.0f : attribute("alpha", 0.2f);
    const float beta = swish ? 0.5f : attribute("beta", 0.5f);
    return with([=](float v) {
      const float gate = std::fmin(std::fmax(alpha * v + beta, 0.0f), 1.0f);
      return swish ? v * gate : gate;
    });
  }
  if (op == "Elu") {
    const float alpha = attribute("alpha", 1.0f);
    return with([=](float v) { return v < 0.0f ? alpha * std::expm1(v) : v; });
  }
  if (op == "Celu") {
    const float alpha = attribute("alpha", 1.0f);
    return with([=](float v) { return v < 0.0f ? alpha * std::expm1(v / alpha) : v; });
  }
  if (op == "Selu") {
    const float alpha = attribute("alpha", 1.67326319217681884765625f);
    const float gamma = attribute("gamma", 1.05070102214813232421875f);
    return with([=](float v) { return gamma * (v > 0.0f ? v : alpha * std::expm1(v)); });
  }
  if (op == "ThresholdedRelu") {
    const float alpha = attribute("alpha", 1.0f);
    return with([=](float v) { return v > alpha ? v : 0.0f; });
  }
  if (op == "Shrink") {
    const float lambda = attribute("lambd", 0.5f);
    const float bias = attribute("bias", 0.0f);
    return with([=](float v) { return v < -lambda ? v + bias : v > lambda ? v - bias : 0.0f; });
  }
  if (op == "Gelu") {
    const std::string form = call.attributes.s("approximate", "none");
    if (form == "none") {
      return with([](float v) {
        return 0.5f * v * (1.0f + std::erf(v * (std::numbers::sqrt2_v<float> / 2.0f)));
      });
    }
    if (form != "tanh") fail(call, "has approximate '" + form + "'");
    constexpr float kRootTwoOverPi = 0.7978845608028654f;
    return with([](float v) {
      return 0.5f * v * (1.0f + std::tanh(kRootTwoOverPi * (v + 0.044715f * v * v * v)));
    });
  }
  refuse(call, "has no kernel");
}

Tensors unary_numeric(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  return visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) -> Tensors {
    if (call.op == "Abs") {
      return {map<T, T>(x, x.dtype(), [](T v) {
        if constexpr (std::is_floating_point_v<T>) return std::fabs(v);
        return static_cast<T>(v < T{0} ? 0 - static_cast<std::uint64_t>(v)
                                       : static_cast<std::uint64_t>(v));
      })};
    }
    if (call.op == "Neg") {
      return {map<T, T>(x, x.dtype(), [](T v) {
        if constexpr (std::is_floating_point_v<T>) return -v;
        return static_cast<T>(0 - static_cast<std::uint64_t>(v));
      })};
    }
    return {map<T, T>(x, x.dtype(), [](T v) { return static_cast<T>((T{0} < v) - (v < T{0})); })};
  });
}

Tensors relu_op(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  if (x.dtype() == DType::f32) return whole(call, x, relu);
  return visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) -> Tensors {
    return {map<T, T>(x, x.dtype(), [](T v) { return v < T{0} ? T{0} : v; })};
  });
}

Tensors clip(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  return visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) -> Tensors {
    T low = std::numeric_limits<T>::lowest();
    T high = std::numeric_limits<T>::max();
    if (call.opset < 11) {
      // Bounds were attributes then, and inputs floats alone.
      if constexpr (std::is_floating_point_v<T>) {
        low = static_cast<T>(call.attributes.f("min", static_cast<float>(low)));
        high = static_cast<T>(call.attributes.f("max", static_cast<float>(high)));
      } else {
        fail(call, "takes integers from opset 11 on");
      }
    }
    for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
      if (!has(inputs, i)) continue;
      if (inputs[i].dtype() != x.dtype() || inputs[i].size() != 1)
        fail(call, "has a bound that is not a scalar of the input's type");
      (i == 1 ? low : high) = inputs[i].data<T>()[0];
    }
    if constexpr (std::is_same_v<T, float>) {
      return whole(call, x, [=](const float* in, float* out, std::int64_t n) {
        clamp(in, low, high, out, n);
      });
    } else {
      return {map<T, T>(x, x.dtype(), [=](T v) {
        const T raised = v < low ? low : v;
        return raised > high ? high : raised;
      })};
    }
  });
}

Tensors classify(const OpCall& call, Inputs inputs) {
  require_f32(call, inputs[0]);
  if (call.op == "IsNaN") {
    return {map<float, bool>(inputs[0], DType::boolean, [](float v) { return std::isnan(v); })};
  }
  const bool negative = call.attributes.i("detect_negative", 1) != 0;
  const bool positive = call.attributes.i("detect_positive", 1) != 0;
  return {map<float, bool>(inputs[0], DType::boolean, [=](float v) {
    return std::isinf(v) && (v < 0 ? negative : positive);
  })};
}

Tensors logical_not(const OpCall& call, Inputs inputs) {
  if (inputs[0].dtype() != DType::boolean) fail(call, "needs a boolean operand");
  return {map<std::uint8_t, std::uint8_t>(
      inputs[0], DType::boolean, [](std::uint8_t v) { return static_cast<std::uint8_t>(v == 0); })};
}

Tensors bitwise_not(const OpCall& call, Inputs inputs) {
  return visit_numeric(call, inputs[0].dtype(), [&]<class T>(std::type_identity<T>) -> Tensors {
    if constexpr (std::is_integral_v<T>)
      return {map<T, T>(inputs[0], inputs[0].dtype(), [](T v) { return static_cast<T>(~v); })};
    else
      refuse(call, "has no kernel for " + std::string(name_of(inputs[0].dtype())));
  });
}

Tensors identity(const OpCall&, Inputs inputs) {
  return {inputs[0]};
}

Tensors dropout(const OpCall& call, Inputs inputs) {
  if (has(inputs, 2)) {
    if (inputs[2].dtype() != DType::boolean || inputs[2].size() != 1)
      fail(call, "has a training_mode that is not a boolean");
    if (inputs[2].data<std::uint8_t>()[0] != 0) refuse(call, "in training mode has no kernel");
  }
  if (call.outputs < 2) return {inputs[0]};
  Tensor mask(DType::boolean, inputs[0].shape(), inputs[0].layout());
  for (std::uint8_t& value : mask.mutable_data<std::uint8_t>()) value = 1;
  return {inputs[0], mask};
}

}  // namespace qsweep::detail

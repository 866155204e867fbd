#include "src/kernels/detail/onednn_layer.h"

#include <cstring>
#include <string_view>
#include <utility>

#include <dnnl.hpp>

#include "src/base/machine.h"

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/threads.h"

namespace qsweep::detail {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::stream& stream() {
  thread_local dnnl::stream own(engine());
  return own;
}

/// A primitive for one geometry; null where oneDNN has none worth using.
struct Prepared {
  std::int64_t batch = 0;
  std::vector<std::int64_t> input;
  dnnl::primitive primitive;
  memory source, result;
  std::vector<memory> constants;           // held for the arguments
  std::vector<dnnl_exec_arg_t> arguments;  // of all

  void add(int which, const memory& operand) { arguments.push_back({which, operand.get()}); }
  void add_constant(int which, memory operand) {
    add(which, operand);
    constants.push_back(std::move(operand));
  }
};

memory::dims with_line_axis(memory::dims extents, std::int64_t value) {
  // oneDNN has its fast kernels in two dimensions: a 1-D convolution is a picture of height 1.
  if (extents.size() == 1) extents.insert(extents.begin(), value);
  return extents;
}

memory::dims image_dims(std::int64_t batch, std::int64_t channels, const memory::dims& spatial) {
  memory::dims dims = {batch, channels};
  const memory::dims lifted = with_line_axis(spatial, 1);
  dims.insert(dims.end(), lifted.begin(), lifted.end());
  return dims;
}

memory::dims row_major_strides(const memory::dims& dims) {
  memory::dims strides(dims.size(), 1);
  for (std::size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

/// The weight as it lies in ONNX layout, in oneDNN's logical order ([g,] O/g, I/g, kernel...).
memory::desc weight_as_stored(const LinearSpec& spec, const Geometry& g, memory::data_type type) {
  if (spec.kind == LinearSpec::Kind::gemm) {
    return {{g.out_channels, g.in_channels}, type, spec.weight_is_output_major ? Tag::ab : Tag::ba};
  }
  const std::int64_t out = g.out_channels / g.group;
  const std::int64_t in = g.in_channels / g.group;
  const bool transpose = spec.kind == LinearSpec::Kind::conv_transpose;
  memory::dims dims = transpose ? memory::dims{g.group, in, out} : memory::dims{g.group, out, in};
  const memory::dims kernel = with_line_axis(g.kernel, 1);
  dims.insert(dims.end(), kernel.begin(), kernel.end());
  memory::dims strides = row_major_strides(dims);
  if (transpose) {
    std::swap(dims[1], dims[2]);
    std::swap(strides[1], strides[2]);
  }
  if (g.group == 1) {
    dims.erase(dims.begin());
    strides.erase(strides.begin());
  }
  return {dims, type, strides};
}

/// One value that every element is divided by, as oneDNN takes it.
memory::desc divisor_desc(std::size_t rank) {
  return {memory::dims(rank, 1), memory::data_type::f32,
          rank == 2   ? Tag::ab
          : rank == 5 ? Tag::ndhwc
                      : Tag::nhwc};
}

dnnl::primitive_attr make_attributes(const std::vector<float>& scale,
                                     Epilogue epilogue,
                                     bool divides,
                                     std::size_t rank) {
  dnnl::primitive_attr attributes;
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);
  if (!scale.empty()) attributes.set_output_scales(scale.size() == 1 ? 0 : 1 << 1, scale);
  dnnl::post_ops post;
  if (epilogue == Epilogue::relu)
    post.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  if (divides) post.append_binary(dnnl::algorithm::binary_div, divisor_desc(rank));
  attributes.set_post_ops(post);
  return attributes;
}

struct Descriptors {
  dnnl::primitive_desc primitive;
  memory::desc source, weight, result;
};

template <class Forward>
Descriptors describe(const typename Forward::desc& operation,
                     const dnnl::primitive_attr& attributes) {
  const typename Forward::primitive_desc chosen(operation, attributes, engine());
  return {chosen, chosen.src_desc(), chosen.weights_desc(), chosen.dst_desc()};
}

}  // namespace

struct OneDnnLayer::State {
  LinearSpec spec;
  Tensor weight;
  std::vector<float> bias, scale;
  float divisor = 0.0f;
  struct Packed {
    memory::desc desc;
    Tensor bytes;
  };
  std::vector<Packed> packed;  // usually one: shapes share a format
  std::vector<std::unique_ptr<Prepared>> prepared;

  [[nodiscard]] Descriptors choose(const Geometry& g) const;
  memory packed_weight(const Geometry& g, const memory::desc& wanted);
  Prepared& prepare(const Geometry& g);
};

Descriptors OneDnnLayer::State::choose(const Geometry& g) const {
  const bool integer = weight.dtype() != DType::f32;
  const auto in_type = integer ? memory::data_type::u8 : memory::data_type::f32;
  const auto weight_type = integer ? memory::data_type::s8 : memory::data_type::f32;
  const bool gemm = spec.kind == LinearSpec::Kind::gemm;
  const auto out_type = divisor != 0.0f ? memory::data_type::u8 : memory::data_type::f32;
  const dnnl::primitive_attr attributes = make_attributes(
      scale, spec.epilogue, divisor != 0.0f, gemm ? 2 : image_dims(1, 1, g.input).size());
  const memory::desc bias_desc =
      bias.empty() ? memory::desc()
                   : memory::desc({g.out_channels}, memory::data_type::f32, Tag::x);
  const memory::desc any_weight(weight_as_stored(spec, g, weight_type).dims(), weight_type,
                                Tag::any);
  const auto kind = dnnl::prop_kind::forward_inference;
  if (gemm) {
    return describe<dnnl::inner_product_forward>({kind,
                                                  {{g.batch, g.in_channels}, in_type, Tag::ab},
                                                  any_weight,
                                                  bias_desc,
                                                  {{g.batch, g.out_channels}, out_type, Tag::ab}},
                                                 attributes);
  }
  const Tag tag = g.input.size() == 3 ? Tag::ndhwc : Tag::nhwc;
  const memory::desc source(image_dims(g.batch, g.in_channels, g.input), in_type, tag);
  const memory::desc result(image_dims(g.batch, g.out_channels, g.output), out_type, tag);
  const memory::dims strides = with_line_axis(g.strides, 1);
  const memory::dims begin = with_line_axis(g.pad_begin, 0);
  const memory::dims end = with_line_axis(g.pad_end, 0);
  memory::dims holes = with_line_axis(g.dilations, 1);  // oneDNN counts the skipped elements
  for (std::int64_t& hole : holes) hole -= 1;
  if (spec.kind == LinearSpec::Kind::conv) {
    return describe<dnnl::convolution_forward>(
        {kind, dnnl::algorithm::convolution_direct, source, any_weight, bias_desc, result, strides,
         holes, begin, end},
        attributes);
  }
  return describe<dnnl::deconvolution_forward>(
      {kind, dnnl::algorithm::deconvolution_direct, source, any_weight, bias_desc, result, strides,
       holes, begin, end},
      attributes);
}

memory OneDnnLayer::State::packed_weight(const Geometry& g, const memory::desc& wanted) {
  const auto memory_of = [&](const Tensor& bytes) {
    return memory(wanted, engine(), const_cast<void*>(bytes.raw()));
  };
  for (const Packed& known : packed) {
    if (known.desc == wanted) return memory_of(known.bytes);
  }
  const auto type = weight.dtype() == DType::f32 ? memory::data_type::f32 : memory::data_type::s8;
  memory stored(weight_as_stored(spec, g, type), engine(), const_cast<void*>(weight.raw()));
  const Tensor bytes(DType::u8, {static_cast<std::int64_t>(wanted.get_size())});
  memory reordered = memory_of(bytes);
  dnnl::reorder(stored, reordered).execute(stream(), stored, reordered);
  stream().wait();
  packed.push_back({wanted, spec.kept(bytes)});
  return memory_of(packed.back().bytes);
}

Prepared& OneDnnLayer::State::prepare(const Geometry& g) {
  for (const auto& known : prepared) {
    // The other extents follow from these and the layer.
    if (known->batch == g.batch && known->input == g.input) return *known;
  }
  auto fresh = std::make_unique<Prepared>();
  fresh->batch = g.batch;
  fresh->input = g.input;
  require_code_room();
  try {
    const Descriptors chosen = choose(g);
    const std::string_view implementation = chosen.primitive.impl_info_str();
    if (implementation.find("ref") == std::string_view::npos) {
      fresh->primitive = dnnl::primitive(chosen.primitive);
      fresh->source = memory(chosen.source, engine(), nullptr);
      fresh->result = memory(chosen.result, engine(), nullptr);
      fresh->add(DNNL_ARG_SRC, fresh->source);
      fresh->add_constant(DNNL_ARG_WEIGHTS, packed_weight(g, chosen.weight));
      fresh->add(DNNL_ARG_DST, fresh->result);
      if (!bias.empty()) {
        fresh->add_constant(
            DNNL_ARG_BIAS,
            memory({{g.out_channels}, memory::data_type::f32, Tag::x}, engine(), bias.data()));
      }
      if (divisor != 0.0f) {
        const int place = spec.epilogue == Epilogue::relu ? 1 : 0;
        const auto rank = static_cast<std::size_t>(chosen.result.dims().size());
        fresh->add_constant(DNNL_ARG_ATTR_MULTIPLE_POST_OP(place) | DNNL_ARG_SRC_1,
                            memory(divisor_desc(rank), engine(), &divisor));
      }
    }
  } catch (const dnnl::error& error) {
    // The caller's other way has other bits: it must not be taken because memory for code is short.
    if (error.status != dnnl_unimplemented && error.status != dnnl_invalid_arguments) {
      throw Error(ErrorCode::resource,
                  std::string("out of memory preparing a layer: ") + error.message, spec.name);
    }
    fresh->primitive = {};
  }
  prepared.push_back(std::move(fresh));
  return *prepared.back();
}

OneDnnLayer::OneDnnLayer(const LinearSpec& spec,
                         Tensor weight,
                         std::vector<float> bias,
                         std::vector<float> scale,
                         float divisor)
    : state_(std::make_unique<State>()) {
  state_->spec = spec;
  state_->weight = std::move(weight);
  state_->bias = std::move(bias);
  state_->scale = std::move(scale);
  state_->divisor = divisor;
}

OneDnnLayer::~OneDnnLayer() = default;

std::optional<Tensor> OneDnnLayer::run(const Tensor& x, const Geometry& geometry) {
  use_one_thread();
  Prepared& prepared = state_->prepare(geometry);
  if (!prepared.primitive) return std::nullopt;
  const bool gemm = state_->spec.kind == LinearSpec::Kind::gemm;
  const DType type = state_->divisor != 0.0f ? DType::u8 : DType::f32;
  Tensor y(type, geometry.result, gemm ? Layout::row_major : Layout::channels_last);
  prepared.source.set_data_handle(const_cast<void*>(x.raw()));
  prepared.result.set_data_handle(y.mutable_raw());
  try {
    // The C++ form would make this list anew each time.
    dnnl::error::wrap_c_api(dnnl_primitive_execute(prepared.primitive.get(), stream().get(),
                                                   static_cast<int>(prepared.arguments.size()),
                                                   prepared.arguments.data()),
                            "a layer could not be computed");
    stream().wait();
  } catch (const dnnl::error& error) {
    throw Error(ErrorCode::resource, std::string("oneDNN failed: ") + error.message,
                state_->spec.name);
  }
  // Not oneDNN's own: that one's bits depend on the instruction set.
  if (state_->spec.epilogue == Epilogue::silu) {
    const auto out = y.mutable_data<float>();
    silu(out.data(), out.data(), y.size());
  }
  return y;
}

bool onednn_int8_is_exact() {
  const auto isa = dnnl::get_effective_cpu_isa();
  // Before VNNI, pairs of products saturate at 16 bits. oneDNN may be held below what the CPU has.
  const bool vnni = isa == dnnl::cpu_isa::avx2_vnni || isa == dnnl::cpu_isa::avx512_core_vnni ||
                    isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
  return vnni && this_machine().has_vnni;
}

}  // namespace qsweep::detail

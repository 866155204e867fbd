#include "src/kernels/winograd_steps.inc"

const qsweep::detail::WinogradSteps qsweep::detail::kWinogradAvx2 = {
    transform_input<Stride1>, transform_input<Stride2>, multiply, transform_output<Stride1>,
    transform_output<Stride2>};

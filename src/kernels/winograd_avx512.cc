#include "src/kernels/winograd_steps.inc"

const qsweep::detail::WinogradSteps qsweep::detail::kWinogradAvx512 = {transform_input, multiply,
                                                                       transform_output};

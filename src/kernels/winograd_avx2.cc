#include "src/kernels/winograd_steps.inc"

const qsweep::detail::WinogradSteps qsweep::detail::kWinogradAvx2 = {transform_input, multiply,
                                                                     transform_output};

"""Engines that compute shift-minimised distances: one interface, several implementations.

=========  ===========================================  ==============================
`naive`    SciPy, one lag after the other, float64      the reference for the tests
`gemm`     one matrix product per lag                   no shift, or short spectra
`fft`      block Fourier transforms, all lags at once   everything else on a CPU, compiled
`device`   one matrix product per lag, by PyTorch       a GPU
=========  ===========================================  ==============================

`distance.engine` chooses among the first three. `engine.device` chooses `device`, whose distances
are recorded as "gemm on cuda".
"""

"""Engines that compute shift-minimised distances: one contract, three ways.

=========  ===========================================  ==============================
`naive`    SciPy, one lag after the other, float64      the reference for the tests
`gemm`     one matrix product per lag                   no shift, or short spectra
`fft`      block Fourier transforms, all lags at once   everything else
=========  ===========================================  ==============================
"""

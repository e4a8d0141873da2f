"""Engines that compute shift-minimised distances: one contract, several ways.

=========  ===========================================  ==============================
`naive`    SciPy, one lag after the other, float64      the reference for the tests
`gemm`     one matrix product per lag                   no shift, or short spectra
`arrays`   the same on a device, by PyTorch             a GPU
`fft`      block Fourier transforms, all lags at once   everything else
=========  ===========================================  ==============================
"""

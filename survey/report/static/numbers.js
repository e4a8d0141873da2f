// Arrays of numbers as survey/report/pages/numbers.py writes them, and numbers as people read them.
"use strict"

function decoded(packed) {
  const text = atob(packed.bytes)
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0))
  if (packed.kind === "u1") return bytes
  return packed.kind === "u2" ? new Uint16Array(bytes.buffer) : new Float32Array(bytes.buffer)
}

// Spectra in one byte a sample; `spectrum(i)` gives those of one cell, NaN where nothing is known.
class Spectra {
  constructor(packed) {
    this.wavelength = Array.from(decoded(packed.wavelength))
    for (const name of ["codes", "centre", "width", "low", "step"]) this[name] = decoded(packed[name])
  }

  spectrum(cell) {
    const n = this.wavelength.length
    const codes = this.codes.subarray(cell * n, (cell + 1) * n)
    return Array.from(codes, (code) =>
      code === 0 ? NaN : this.centre[cell] + this.width[cell] * Math.sinh(this.low[cell] + (code - 1) * this.step[cell]))
  }
}

// Three significant digits, or more where `digits` says so.
function readable(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return ""
  if (typeof value !== "number" || Number.isInteger(value)) return String(value)
  const size = Math.abs(value)
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)))
}

// A value with its error, to as many digits as the error has use for.
function withError(value, error) {
  if (value === null || value === undefined) return ""
  if (!(error > 0)) return readable(value)
  const power = Math.floor(Math.log10(Math.max(Math.abs(value), error)))
  if (power >= -3 && power < 5) {
    const places = Math.max(0, 1 - Math.floor(Math.log10(error)))
    return `${value.toFixed(places)} ± ${error.toFixed(places)}`
  }
  const scale = 10 ** power
  const places = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(error / scale))))
  return `(${(value / scale).toFixed(places)} ± ${(error / scale).toFixed(places)}) e${power}`
}

// The values below which the fractions `low` and `high` of all known values lie.
function limitsOf(values, low = 0.02, high = 0.98) {
  const known = Array.from(values).filter(Number.isFinite).sort((a, b) => a - b)
  if (known.length === 0) return [0, 1]
  const at = (fraction) => known[Math.round(fraction * (known.length - 1))]
  return at(low) < at(high) ? [at(low), at(high)] : [known[0] - 1, known[0] + 1]
}

// The median spectra of the clusters with their errors, and the spectrum of the spaxel pointed at.
"use strict"

class SpectrumPlot {
  constructor(data) {
    this.data = data
    this.colors = data.clusters.map((cluster) => cluster.color)
    this.wavelength = Array.from(decoded(data.medians.wavelength))
    const n = this.wavelength.length
    const rows = (packed) => {
      const all = Array.from(decoded(packed))
      return this.colors.map((_, row) => all.slice(row * n, (row + 1) * n))
    }
    this.flux = rows(data.medians.flux)
    this.error = rows(data.medians.error)
    this.spectra = data.spectra === null ? null : new Spectra(data.spectra)
    this.pointed = null
    this.parts = []
  }

  // Draw everything anew: the kind of the flux axis is fixed when a figure is made.
  draw(target, logarithmic) {
    target.replaceChildren()
    this.pointed = new Bokeh.ColumnDataSource({ data: { x: [], y: [] } })
    const [low, high] = this.limits(logarithmic)
    const figure = Bokeh.Plotting.figure({
      height: 430, sizing_mode: "stretch_width", y_axis_type: logarithmic ? "log" : "linear",
      tools: "xpan,xbox_zoom,xwheel_zoom,reset,save", active_drag: "xbox_zoom", output_backend: "canvas",
      x_range: new Bokeh.Range1d({ start: this.wavelength[0], end: this.wavelength[this.wavelength.length - 1] }),
      y_range: new Bokeh.Range1d({ start: low, end: high }),
    })
    figure.toolbar.logo = null
    figure.xaxis.axis_label = "rest wavelength (µm)"
    figure.yaxis.axis_label = this.data.unit
    this.drawBands(figure)
    this.parts = this.flux.map((flux, row) => this.drawCluster(figure, flux, row, logarithmic))
    figure.line({ field: "x" }, { field: "y" }, { source: this.pointed, line_color: "black", line_width: 0.8 })
    this.drawLines(figure)
    Bokeh.Plotting.show(figure, target)
    this.figure = figure
  }

  drawCluster(figure, flux, row, logarithmic) {
    const drawn = logarithmic ? (value) => value > 0 ? value : NaN : (value) => value
    const color = this.colors[row]
    const error = this.error[row]
    const source = new Bokeh.ColumnDataSource({ data: {
      x: this.wavelength, y: flux.map(drawn),
      low: flux.map((value, i) => drawn(value - error[i])), high: flux.map((value, i) => drawn(value + error[i])),
    } })
    return [
      figure.varea({ field: "x" }, { field: "low" }, { field: "high" }, { source, fill_color: color, fill_alpha: 0.25 }),
      figure.line({ field: "x" }, { field: "y" }, { source, line_color: color, line_width: 1.4 }),
    ]
  }

  drawBands(figure) {
    for (const band of this.data.bands) {
      figure.add_layout(new Bokeh.BoxAnnotation({ left: band.low, right: band.high, fill_color: "#ffa90e", fill_alpha: 0.08, line_color: null, level: "underlay" }))
    }
  }

  // Detected lines, the strongest named where names would stand too close.
  drawLines(figure) {
    const width = this.wavelength[this.wavelength.length - 1] - this.wavelength[0]
    const lines = this.linesByStrength()
    const named = []
    for (const line of lines) {
      figure.add_layout(new Bokeh.Span({ location: line.wavelength, dimension: "height", line_color: "#999", line_dash: "dotted", line_width: 0.8, level: "underlay" }))
      if (named.some((other) => Math.abs(other.wavelength - line.wavelength) < 0.014 * width)) continue
      named.push(line)
    }
    const source = new Bokeh.ColumnDataSource({ data: { x: named.map((line) => line.wavelength), text: named.map((line) => line.label), y: named.map(() => figure.y_range.end) } })
    figure.text({ field: "x" }, { field: "y" }, { field: "text" }, { source, angle: Math.PI / 2, text_font_size: "10px", text_align: "right", text_baseline: "middle", text_color: "#555", x_offset: 6 })
  }

  linesByStrength() {
    const strength = (feature) => Math.max(...feature.flux.map((flux, i) => feature.detected[i] ? flux / feature.err[i] : 0))
    return this.data.features.filter((feature) => feature.kind === "line").sort((a, b) => strength(b) - strength(a))
  }

  strongest() {
    return this.linesByStrength()[0]
  }

  // From below the faintest continuum to above the brightest line, whatever noise does.
  limits(logarithmic) {
    const all = this.flux.flat().filter(Number.isFinite)
    if (!logarithmic) {
      const [low, high] = limitsOf(all, 0.001, 0.9995)
      return [low - 0.05 * (high - low), high + 0.12 * (high - low)]
    }
    const positive = this.flux.map((flux) => limitsOf(flux.filter((value) => value > 0), 0.02, 0.999))
    return [0.6 * Math.min(...positive.map(([low]) => Math.max(low, 1e-30))), 2.2 * Math.max(...positive.map(([, high]) => high))]
  }

  point(cell) {
    if (this.spectra === null) return
    this.pointed.data = cell === undefined ? { x: [], y: [] } : { x: this.spectra.wavelength, y: this.spectra.spectrum(cell) }
  }

  emphasise(isShown) {
    this.parts.forEach((renderers, row) => { for (const renderer of renderers) renderer.visible = isShown(row + 1) })
  }
}

// The maps of a galaxy: all show the same cells and move together.
"use strict"

const NOT_CLUSTERED = "#dddddd"
const FADED = 0.15

class Maps {
  constructor(data) {
    const cells = data.cells
    this.n = cells.n
    this.colors = data.clusters.map((cluster) => cluster.color)
    this.cluster = Array.from(decoded(cells.cluster))
    this.values = {}
    for (const name of ["snr", "shift", "white", "psf"]) this.values[name] = Array.from(decoded(cells[name]))
    this.fractions = cells.fractions === null ? null : decoded(cells.fractions)
    this.source = new Bokeh.ColumnDataSource({ data: {
      west: Array.from(decoded(cells.west)),
      north: Array.from(decoded(cells.north)),
      x: Array.from(decoded(cells.x)),
      y: Array.from(decoded(cells.y)),
      cluster: this.cluster,
      color: this.cluster.map((number) => number > 0 ? this.colors[number - 1] : NOT_CLUSTERED),
      ...this.values,
      class_color: this.cluster.map(() => NOT_CLUSTERED),
      chosen: this.values.white,
      alpha: this.cluster.map(() => 1),
    } })
    this.shape = { width: cells.width, height: cells.height, angle: cells.angle }
    this.axes = cells.celestial ? ["offset to the east (arcsec)", "offset to the north (arcsec)"] : ["offset along x", "offset along y"]
    this.east = cells.celestial ? -1 : 1
    this.ranges = this.rangesOfCells()
    this.document = new Bokeh.Document()
    this.targets = []
  }

  // The same scale along both axes, with all cells inside.
  rangesOfCells() {
    const ranges = ["west", "north"].map((name) => {
      const values = this.source.data[name]
      return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
    })
    const half = 0.54 * Math.max(...ranges.map(([low, high]) => high - low)) + Math.max(this.shape.width, this.shape.height)
    return ranges.map(([low, high]) => new Bokeh.Range1d({ start: (low + high) / 2 - half, end: (low + high) / 2 + half }))
  }

  figure(size, tools = "pan,wheel_zoom,reset") {
    const figure = Bokeh.Plotting.figure({
      frame_width: size, frame_height: size, x_range: this.ranges[0], y_range: this.ranges[1], tools, toolbar_location: null,
      min_border: 4,
    })
    figure.toolbar.logo = null
    figure.grid.visible = false
    // East is to the left: the coordinate goes to the west.
    figure.xaxis.formatter = new Bokeh.CustomJSTickFormatter({ code: `return (${this.east} * tick).toFixed(Math.abs(tick) < 10 ? 1 : 0)` })
    return figure
  }

  // A map in the colours of the clusters or classes, which are a column of colours.
  drawColors(target, size, column, { labels = false } = {}) {
    const figure = this.figure(size, "pan,wheel_zoom,reset,tap")
    this.addCells(figure, { field: column })
    if (labels) {
      figure.xaxis.axis_label = this.axes[0]
      figure.yaxis.axis_label = this.axes[1]
    } else {
      figure.xaxis.visible = figure.yaxis.visible = false
    }
    this.show(figure, target)
    return figure
  }

  // A map of a column of numbers, with its colour bar; `limits` fixes its scale.
  drawValues(target, size, column, { palette = "Viridis256", symmetric = false, limits = null } = {}) {
    const figure = this.figure(size)
    figure.xaxis.visible = figure.yaxis.visible = false
    const mapper = new Bokeh.LinearColorMapper({ palette: Bokeh.Palettes[palette], nan_color: "#eeeeee" })
    this.addCells(figure, { field: column, transform: mapper })
    figure.add_layout(new Bokeh.ColorBar({ color_mapper: mapper, width: 9, label_standoff: 4, padding: 4, major_label_text_font_size: "10px" }), "right")
    const rescale = () => {
      let [low, high] = limits ?? limitsOf(this.source.data[column])
      if (symmetric) [low, high] = [-Math.max(-low, high), Math.max(-low, high)]
      mapper.setv({ low, high })
    }
    rescale()
    this.show(figure, target)
    return rescale
  }

  addCells(figure, color) {
    figure.rect({ field: "west" }, { field: "north" }, this.shape.width, this.shape.height, {
      source: this.source, angle: this.shape.angle, fill_color: color, fill_alpha: { field: "alpha" }, nonselection_fill_alpha: { field: "alpha" },
      // A hairline of its own colour closes the seams that antialiasing leaves.
      line_color: color, line_width: 0.7, line_alpha: { field: "alpha" }, nonselection_line_alpha: { field: "alpha" },
      hover_line_color: "black", hover_line_alpha: 1,
    })
    const hover = new Bokeh.HoverTool({ tooltips: [
      ["cluster", "@cluster"], ["spaxel", "x @x{0.#}, y @y{0.#}"], ["S/N", "@snr{0.0}"],
    ] })
    figure.add_tools(hover)
  }

  show(figure, target) {
    this.document.add_root(figure)
    this.targets.push(target)
  }

  // All maps are one document, since they share their cells and ranges.
  async render() {
    this.views = await Bokeh.embed.add_document_standalone(this.document, document.body, this.targets)
  }

  onPoint(callback) {
    this.source.inspect.connect(() => callback(this.source.inspected.indices[0]))
  }

  onClick(callback) {
    this.source.selected.change.connect(() => callback(this.source.selected.indices[0]))
  }

  // Show the cells of some clusters and fade the others.
  emphasise(isShown) {
    this.set("alpha", this.cluster.map((number) => number === 0 || isShown(number) ? 1 : FADED))
  }

  set(column, values) {
    this.source.data = { ...this.source.data, [column]: values }
  }

  ofClusters(values) {
    return this.cluster.map((number) => number > 0 && values[number - 1] !== null ? values[number - 1] : NaN)
  }

  fractionOf(number) {
    const k = this.colors.length
    return this.cluster.map((own, cell) => own > 0 ? this.fractions[cell * k + number - 1] / 255 : NaN)
  }
}

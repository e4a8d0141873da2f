// The dendrogram with its decisions, or with the level of the cut.
"use strict"

const DECIDED = { true: { marker: "circle", color: "#1a7f37" }, false: { marker: "x", color: "#b42318" } }

function drawTree(target, tree) {
  const figure = Bokeh.Plotting.figure({ height: 330, width: 760, tools: "pan,wheel_zoom,reset,save", y_axis_label: "linkage height", x_axis_label: "spaxels below" })
  figure.toolbar.logo = null
  figure.xgrid.visible = false
  figure.multi_line(tree.x, tree.y, { line_color: tree.color })
  const places = tree.sizes.map((_, leaf) => 5 + 10 * leaf)
  figure.xaxis.ticker = new Bokeh.FixedTicker({ ticks: places })
  figure.xaxis.major_label_overrides = new Map(places.map((place, leaf) => [place, tree.sizes[leaf]]))
  figure.xaxis.major_label_orientation = Math.PI / 2
  if (tree.level !== null) {
    figure.add_layout(new Bokeh.Span({ location: tree.level, dimension: "width", line_dash: "dashed" }))
  }
  for (const accepted of [true, false]) {
    const shown = tree.decisions.filter((one) => one.step === "split" && one.accepted === accepted && one.x !== null)
    const source = new Bokeh.ColumnDataSource({ data: {
      x: shown.map((one) => one.x), y: shown.map((one) => one.y), meaning: shown.map((one) => one.meaning),
      sides: shown.map((one) => `${one.left} and ${one.right} spaxels`),
    } })
    const renderer = figure.scatter({ field: "x" }, { field: "y" }, { source, size: 9, marker: DECIDED[accepted].marker, line_color: DECIDED[accepted].color, fill_color: DECIDED[accepted].color, line_width: 2 })
    figure.add_tools(new Bokeh.HoverTool({ renderers: [renderer], tooltips: [["", "@meaning"], ["sides", "@sides"]] }))
  }
  Bokeh.Plotting.show(figure, target)
}

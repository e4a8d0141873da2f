// Planes of two log ratios with all clusters of the survey; a click opens the galaxy of one.
"use strict"

const planes = JSON.parse(document.getElementById("data").textContent)
const place = (id) => document.getElementById(id)

// How far an arrow is turned from the right, for limits of x and y: 1 is an upper one, 2 a lower one.
function angleOf(limitX, limitY) {
  const x = [0, -1, 1][limitX]
  const y = [0, -1, 1][limitY]
  return Math.atan2(y, x)
}

function draw(plane) {
  const figure = Bokeh.Plotting.figure({ height: 560, width: Math.min(820, document.documentElement.clientWidth - 40), tools: "pan,box_zoom,wheel_zoom,reset,save,tap",
    x_axis_label: plane.labels[0], y_axis_label: plane.labels[1] })
  figure.toolbar.logo = null
  for (const contour of plane.contours) {
    figure.line(contour.x, contour.y, { line_color: contour.color, line_dash: contour.dash, line_alpha: 0.8 })
  }
  for (const curve of plane.curves) figure.line(curve.x, curve.y, { line_color: "black", line_dash: curve.dash })
  const source = new Bokeh.ColumnDataSource({ data: {
    x: plane.x, y: plane.y, galaxy: plane.galaxy, cluster: plane.cluster, page: plane.page, color: plane.color, class: plane.class,
    marker: plane.limit_x.map((limit, i) => limit || plane.limit_y[i] ? "triangle" : "circle"),
    // A triangle points up when it is not turned.
    angle: plane.limit_x.map((limit, i) => limit || plane.limit_y[i] ? angleOf(limit, plane.limit_y[i]) - Math.PI / 2 : 0),
  } })
  const points = figure.scatter({ field: "x" }, { field: "y" }, { source, size: 9, marker: { field: "marker" }, angle: { field: "angle" }, fill_color: { field: "color" }, line_color: "#333", line_width: 0.6,
    nonselection_fill_alpha: 1, nonselection_line_alpha: 1 })
  figure.add_tools(new Bokeh.HoverTool({ renderers: [points], tooltips: [["galaxy", "@galaxy"], ["cluster", "@cluster"], ["class", "@class"]] }))
  source.selected.change.connect(() => {
    const chosen = source.selected.indices[0]
    if (chosen !== undefined) window.location.href = plane.page[chosen]
  })
  place("planes").replaceChildren()
  Bokeh.Plotting.show(figure, place("planes"))
  place("legend").replaceChildren(...plane.legend.flatMap(([text, color]) => {
    const dot = document.createElement("span")
    dot.className = "swatch"
    dot.style.background = color
    return [dot, `${text} `]
  }), ...plane.curves.map((curve) => `${curve.name} `))
}

planes.forEach((plane, index) => {
  const option = document.createElement("option")
  Object.assign(option, { value: index, textContent: `${plane.labels[1]} against ${plane.labels[0]}` })
  place("plane").append(option)
})
place("plane").addEventListener("change", (event) => draw(planes[Number(event.target.value)]))
draw(planes[0])
document.body.dataset.ready = "yes"

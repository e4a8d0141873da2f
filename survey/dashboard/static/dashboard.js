// The live page: asks for the state of the run every few seconds, and shows it.
"use strict"

const EVERY_MS = 2000
// Alpha, blue, green, red: the colours of the legend.
const COLORS = { d: 0xff377f1a, u: 0xffddda92, f: 0xff011fbd, r: 0xff0ea9ff, ".": 0xffeeeeee }
const MEANING = { d: "computed", u: "found from before", f: "quarantined", r: "under way", ".": "waiting" }
const place = (id) => document.getElementById(id)

function inWords(seconds) {
  const minutes = seconds / 60
  if (seconds < 90) return `${seconds.toFixed(0)} s`
  if (minutes < 90) return `${minutes.toFixed(0)} min`
  return minutes < 2880 ? `${(minutes / 60).toFixed(1)} h` : `${(minutes / 1440).toFixed(1)} days`
}

function element(name, text = "", attributes = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...attributes })
}

function fillTable(table, head, rows) {
  const line = (cells, kind) => {
    const row = document.createElement("tr")
    row.append(...cells.map((cell) => element(kind, cell)))
    return row
  }
  table.replaceChildren(line(head, "th"), ...rows.map((cells) => line(cells, "td")))
}

// Stages to the right, galaxies downwards: a picture of one dot each, so that ten thousand are quick.
class Grid {
  constructor(target) {
    this.target = target
    this.image = new Bokeh.ColumnDataSource({ data: { image: [], x: [], y: [], dw: [], dh: [] } })
    this.names = []
    this.rows = []
  }

  make(stages) {
    this.stages = stages
    this.y_range = new Bokeh.Range1d({ start: 0, end: 1 })
    const figure = Bokeh.Plotting.figure({
      height: 380, sizing_mode: "stretch_width", tools: "", toolbar_location: null,
      x_range: new Bokeh.Range1d({ start: 0, end: stages.length }), y_range: this.y_range,
    })
    figure.grid.visible = false
    figure.yaxis.axis_label = "galaxies, the largest on top"
    figure.yaxis.ticker = new Bokeh.FixedTicker({ ticks: [] })
    const ticks = stages.map((_, index) => index + 0.5)
    figure.xaxis.ticker = new Bokeh.FixedTicker({ ticks })
    figure.xaxis.major_label_overrides = new Map(ticks.map((tick, index) => [tick, stages[index]]))
    figure.image_rgba({ field: "image" }, { field: "x" }, { field: "y" }, { field: "dw" }, { field: "dh" }, { source: this.image })
    Bokeh.Plotting.show(figure, this.target).then((view) => {
      this.target.addEventListener("mousemove", (event) => this.describe(event, view))
    })
  }

  // Which galaxy and stage the mouse is on.
  describe(event, view) {
    const box = view.el.getBoundingClientRect()
    const stage = Math.floor(view.frame.x_scale.invert(event.clientX - box.left))
    const galaxy = this.rows.length - 1 - Math.floor(view.frame.y_scale.invert(event.clientY - box.top))
    const known = this.rows[galaxy]?.[stage]
    this.target.title = known === undefined ? "" : `${this.names[galaxy]}: ${this.stages[stage]} ${MEANING[known]}`
  }

  update(state) {
    if (this.stages === undefined) this.make(state.stages)
    const n = Math.max(1, state.grid.length)
    const pixels = new Uint32Array(n * state.stages.length)
    // The first row of an image is at its bottom.
    state.grid.forEach((row, y) => { for (let x = 0; x < row.length; x++) pixels[(n - 1 - y) * row.length + x] = COLORS[row[x]] })
    const image = Bokeh.require("core/util/ndarray").ndarray(pixels, { shape: [n, state.stages.length], dtype: "uint32" })
    this.y_range.setv({ start: 0, end: n })
    this.image.data = { image: [image], x: [0], y: [0], dw: [state.stages.length], dh: [n] }
    this.names = state.galaxies
    this.rows = state.grid
  }
}

class Throughput {
  constructor(target) {
    this.source = new Bokeh.ColumnDataSource({ data: { x: [], top: [], width: [] } })
    const figure = Bokeh.Plotting.figure({ height: 230, width: 420, tools: "", toolbar_location: null, x_axis_label: "minutes since the first", y_axis_label: "galaxies a minute" })
    figure.vbar({ x: { field: "x" }, top: { field: "top" }, width: { field: "width" }, source: this.source, fill_color: "#3f90da", line_color: null })
    Bokeh.Plotting.show(figure, target)
  }

  update({ step_s, counts }) {
    const minutes = step_s / 60
    this.source.data = { x: counts.map((_, i) => (i + 0.5) * minutes), top: counts.map((count) => count / minutes), width: counts.map(() => 0.9 * minutes) }
  }
}

// One row for every worker, one bar for every stage of a galaxy; those of one name lie side by side.
const STAGE_COLORS = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#717581"]

class Timeline {
  constructor(target) {
    this.source = new Bokeh.ColumnDataSource({ data: { start: [], stop: [], row: [], color: [], name: [], took: [] } })
    this.y_range = new Bokeh.Range1d({ start: -0.5, end: 0.5 })
    this.figure = Bokeh.Plotting.figure({
      height: 180, sizing_mode: "stretch_width", tools: "", toolbar_location: null,
      x_axis_label: "minutes before now, or before the end", y_range: this.y_range, x_range: new Bokeh.Range1d({ start: -10, end: 0 }),
    })
    this.figure.ygrid.visible = false
    this.figure.yaxis.axis_label = "workers"
    const bars = this.figure.hbar({ y: { field: "row" }, left: { field: "start" }, right: { field: "stop" }, height: 0.8, fill_color: { field: "color" }, line_color: "white", line_width: 0.5, source: this.source })
    this.figure.add_tools(new Bokeh.HoverTool({ renderers: [bars], tooltips: [["", "@name"], ["took", "@took"]] }))
    Bokeh.Plotting.show(this.figure, target)
  }

  update({ timeline, stages }) {
    const workers = [...new Set(timeline.map((bar) => bar.worker))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    const color = (stage) => STAGE_COLORS[Math.max(0, stages.indexOf(stage)) % STAGE_COLORS.length]
    if (workers.join() !== this.workers) {
      this.workers = workers.join()
      const ticks = workers.map((_, row) => row)
      this.y_range.setv({ start: workers.length - 0.5, end: -0.5 })
      this.figure.yaxis.ticker = new Bokeh.FixedTicker({ ticks })
      this.figure.yaxis.major_label_overrides = new Map(ticks.map((row) => [row, workers[row]]))
      this.figure.height = Math.min(600, 90 + 24 * Math.max(1, workers.length))
    }
    this.source.data = {
      start: timeline.map((bar) => bar.start / 60),
      stop: timeline.map((bar) => bar.stop / 60),
      row: timeline.map((bar) => workers.indexOf(bar.worker)),
      color: timeline.map((bar) => color(bar.stage)),
      name: timeline.map((bar) => bar.name),
      took: timeline.map((bar) => `${(bar.stop - bar.start).toFixed(2)} s`),
    }
    const known = place("stages")
    if (known.childElementCount === 0) for (const stage of stages) {
      const swatch = element("span", "", { className: "swatch" })
      swatch.style.background = color(stage)
      known.append(swatch, `${stage} `)
    }
  }
}

// Where Dask's own pages are, if this is one of their tabs.
function showDask(pages) {
  const nav = place("dask")
  if (!pages?.length || !nav.hidden) return
  nav.hidden = false
  nav.append("Dask: ", ...pages.flatMap((page) => [element("a", page, { href: `../${page}` }), " "]))
}

function showSummary(state) {
  const outcomes = Object.entries(state.outcomes).map(([name, count]) => `${count} ${name}`).join(", ")
  const parts = [`${state.state}: ${state.n_done} of ${state.n_galaxies} galaxies${outcomes ? ` (${outcomes})` : ""}`]
  if (state.n_earlier) parts.push(`${state.n_earlier} more were finished by earlier runs`)
  if (state.rate_per_min) parts.push(`${Number(state.rate_per_min.toPrecision(3))} a minute`)
  if (state.remaining_s) parts.push(`about ${inWords(state.remaining_s)} to go`)
  parts.push(`${inWords(state.elapsed_s)} so far`)
  place("summary").textContent = parts.join(" · ")
  place("progress").value = state.n_galaxies ? state.n_done / state.n_galaxies : 0
  place("driver").textContent = state.driver
  place("notes").replaceChildren(...state.notes.map((note) => element("li", note)))
  document.title = `${state.n_done} of ${state.n_galaxies} · Survey`
}

function showFailures(groups) {
  const open = new Set([...document.querySelectorAll("#failures details[open]")].map((each) => each.dataset.message))
  place("failures").replaceChildren(...(groups.length ? groups.map(({ message, galaxies }) => {
    const made = element("details", "", { open: open.has(message) || groups.length < 4 })
    made.dataset.message = message
    made.append(element("summary", `${galaxies.length}: ${message}`), element("p", galaxies.join(", ")))
    return made
  }) : [element("p", "none")]))
}

function showNewest(newest) {
  place("newest").replaceChildren(...newest.map(({ galaxy, page, map }) => {
    const made = document.createElement("figure")
    if (map !== null) made.append(element("img", "", { src: `report/${encodeURI(map)}`, alt: `map of ${galaxy}` }))
    const name = page === null ? element("span", galaxy) : element("a", galaxy, { href: `report/${encodeURI(page)}` })
    made.append(name)
    return made
  }))
}

const grid = new Grid(place("grid"))
const throughput = new Throughput(place("throughput"))
const timeline = new Timeline(place("timeline"))

function show(state) {
  showSummary(state)
  grid.update(state)
  throughput.update(state.throughput)
  timeline.update(state)
  showDask(state.dask)
  fillTable(place("in-flight"), ["galaxy", "stage", "for", "worker", "in all"], state.in_flight.map((each) => [each.galaxy, each.stage, inWords(each.stage_seconds), each.worker, inWords(each.seconds)]))
  fillTable(place("workers"), ["worker", "CPU", "memory", "galaxies"], state.workers.map((each) =>
    [each.name, `${each.cpu_percent.toFixed(0)}%`, `${(each.memory_bytes / 2 ** 30).toFixed(2)} GiB`, each.galaxies.join(", ")]))
  showFailures(state.failures)
  showNewest(state.newest)
}

async function refresh() {
  try {
    const state = await (await fetch("state.json")).json()
    place("trouble").textContent = state.error ?? ""
    if (state.error === undefined) show(state)
    document.body.dataset.ready = "yes"
    document.body.dataset.updates = 1 + Number(document.body.dataset.updates ?? 0)
  } catch (error) {
    place("trouble").textContent = `the server does not answer (${error.message})`
  }
  setTimeout(refresh, EVERY_MS)
}

refresh()

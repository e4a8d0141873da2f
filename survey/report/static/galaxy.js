// The page of one galaxy: what it shows, and how its parts answer to each other.
"use strict"

const data = JSON.parse(document.getElementById("data").textContent)
const classified = typeof SURVEY_CLASSES === "undefined" ? { names: [], colors: [], galaxies: {} } : SURVEY_CLASSES
const validated = typeof SURVEY_VERDICTS === "undefined" ? undefined : SURVEY_VERDICTS[data.name]
const tracersFile = typeof SURVEY_TRACER_FILES === "undefined" ? undefined : SURVEY_TRACER_FILES[data.name]
const SMALL = 150
const place = (id) => document.getElementById(id)

const maps = new Maps(data)
const plot = new SpectrumPlot(data)
const shown = new Set(data.clusters.map((_, row) => row + 1))

function showFlags() {
  place("flags").append(...data.flags.map((meaning) => element("li", meaning)))
}

function classesOf() {
  return classified.galaxies[data.name] ?? null
}

function drawMaps() {
  const size = Math.min(360, document.documentElement.clientWidth - 110)
  maps.drawColors(place("map"), size, "color", { labels: true })
  const spaxels = data.cells.block === 1 ? "" : ` One cell is ${data.cells.block} by ${data.cells.block} spaxels.`
  place("map-caption").textContent = `The clusters. Click on one to fade the others, again to undo it.${spaxels}`
  maps.drawValues(place("map-snr"), SMALL, "snr")
  maps.drawValues(place("map-shift"), SMALL, "shift", { palette: "RdBu11", symmetric: true })
  maps.drawValues(place("map-white"), SMALL, "white")
  if (maps.values.psf.some(Number.isFinite)) maps.drawValues(place("map-psf"), SMALL, "psf", { limits: [0, 1] })
  else place("psf").remove()
  drawClasses()
  drawChosen()
  drawFractions()
  return maps.render()
}

// A map for every cluster, all on one scale. Of one cluster there is nothing to see.
function drawFractions() {
  if (maps.fractions === null || data.clusters.length < 2) {
    place("fractions").remove()
    return
  }
  data.clusters.forEach((cluster, row) => {
    const figure = element("figure", "")
    const target = element("div", "")
    const caption = element("figcaption", "")
    const dot = element("span", "", { className: "swatch" })
    dot.style.background = cluster.color
    caption.append(dot, `cluster ${row + 1}`)
    figure.append(target, caption)
    place("fraction-maps").append(figure)
    maps.set(`fraction_${row + 1}`, maps.fractionOf(row + 1))
    maps.drawValues(target, SMALL, `fraction_${row + 1}`, { limits: [0, 1] })
  })
}

function drawClasses() {
  const found = classesOf()
  if (found === null) {
    place("class-caption").parentElement.remove()
    return
  }
  const color = (row) => row.index >= 0 ? classified.colors[row.index] : NOT_CLUSTERED
  maps.set("class_color", maps.cluster.map((n) => n > 0 ? color(found[n - 1]) : NOT_CLUSTERED))
  maps.drawColors(place("map-class"), SMALL, "class_color")
  place("class-caption").replaceChildren("classes: ", ...classified.names.flatMap((name, index) => {
    const dot = element("span", "", { className: "swatch" })
    dot.style.background = classified.colors[index]
    return [dot, `${name} `]
  }))
}

// Values of the clusters by line, and ratios of two lines.
function choices() {
  const measured = (feature) => feature.flux.map((flux, row) => feature.detected[row] ? flux : null)
  const found = data.features.map((feature) => [`flux of ${feature.label} ${readable(feature.wavelength, 4)}`, () => maps.ofClusters(measured(feature))])
  for (const [above, below] of data.ratios) {
    const [a, b] = [above, below].map((name) => data.features.find((feature) => feature.name === name))
    if (a === undefined || b === undefined) continue
    const ratio = () => maps.ofClusters(a.flux.map((flux, row) => a.detected[row] && b.detected[row] ? flux / b.flux[row] : null))
    found.push([`${a.label} ${readable(a.wavelength, 4)} / ${b.label} ${readable(b.wavelength, 4)}`, ratio])
  }
  return found
}

function drawChosen() {
  const found = choices()
  if (found.length === 0) {
    place("map-chosen").parentElement.remove()
    return
  }
  const select = place("chosen")
  select.append(...found.map(([name], index) => element("option", name, { value: index })))
  const strongest = Math.max(0, data.features.indexOf(plot.strongest()))
  select.value = strongest
  maps.set("chosen", found[strongest][1]())
  const rescale = maps.drawValues(place("map-chosen"), SMALL, "chosen")
  select.addEventListener("change", () => {
    maps.set("chosen", found[Number(select.value)][1]())
    rescale()
  })
}

function emphasise() {
  maps.emphasise((number) => shown.has(number))
  plot.emphasise((number) => shown.has(number))
  for (const button of place("buttons").children) button.setAttribute("aria-pressed", shown.has(Number(button.dataset.cluster)))
}

function drawButtons() {
  data.clusters.forEach((cluster, row) => {
    const button = element("button", `cluster ${row + 1}${cluster.nuclear ? ", nucleus" : ""}`, { type: "button" })
    button.dataset.cluster = row + 1
    button.style.borderLeftColor = cluster.color
    button.addEventListener("click", () => {
      if (!shown.delete(row + 1)) shown.add(row + 1)
      emphasise()
    })
    place("buttons").append(button)
  })
}

function answerClicks() {
  const all = data.clusters.map((_, row) => row + 1)
  let alone = 0
  maps.onClick((cell) => {
    const number = cell === undefined ? 0 : maps.cluster[cell]
    const chosen = number === 0 || number === alone ? all : [number]
    alone = chosen.length === 1 && all.length > 1 ? number : 0
    shown.clear()
    for (const each of chosen) shown.add(each)
    emphasise()
  })
  maps.onPoint((cell) => plot.point(cell))
  place("logarithmic").addEventListener("change", (event) => {
    plot.draw(place("spectrum"), event.target.checked)
    emphasise()
  })
}

function classText(row) {
  if (row.index < 0) return "none"
  const p = classified.names.map((name, index) => `${name} ${withError(row.p[index], row.err[index])}`)
  return `${classified.names[row.index]} (${p.join(", ")})`
}

function fillClusters() {
  const found = classesOf()
  const head = [["cluster", "clusters.cluster"], ["spaxels", "clusters.n_spaxel"], ["area (arcsec²)", "clusters.area_arcsec2"],
    ["offset (arcsec)", "clusters.offset_arcsec"], ["S/N", "clusters.continuum_snr"], ["velocity (km/s)", "clusters.velocity_km_s"],
    ["slope", "clusters.slope_alpha"], ...(found ? [["class", "clusters.class"]] : []),
    ...(validated ? [["verdict", "clusters.verdict"]] : []), ["flags", "flags-clusters"]]
  const rows = data.clusters.map((cluster, row) => rowOf([
    swatch(cluster.color, String(row + 1)), number(readable(cluster.n_spaxel)), number(readable(cluster.area_arcsec2)),
    number(readable(cluster.offset_arcsec)), number(readable(cluster.continuum_snr)),
    number(withError(cluster.velocity_km_s, cluster.velocity_err_km_s)), number(withError(cluster.slope_alpha, cluster.slope_alpha_err)),
    ...(found ? [classText(found[row])] : []), ...(validated ? [verdictOf(row + 1)] : []), number([...cluster.flags, ...(found ? found[row].flags : [])].join("; "), "words"),
  ]))
  fillTable(place("clusters"), head.map(([text, anchor]) => headWithHelp(text, anchor)), rows)
}

function verdictOf(number) {
  const [verdict, stability, meaning] = validated.clusters[number] ?? ["", null, ""]
  return element("td", stability === null ? verdict : `${verdict} (${readable(stability, 2)})`, { title: meaning })
}

// All answers are in a script of their own, which only validated galaxies have.
function showValidation() {
  if (validated === undefined) return Promise.resolve()
  place("validation").hidden = false
  place("verdict").replaceChildren(element("b", validated.verdict), `: ${validated.meaning}.`)
  return withScript(validated.file, fillAnswers)
}

function withScript(file, use) {
  return new Promise((done) => {
    const script = element("script", "", { src: `../${file}` })
    script.addEventListener("load", () => { use(); done() })
    script.addEventListener("error", done)
    document.head.append(script)
  })
}

// Maps that were made without the clusters: a row for each, and its picture.
function showTracers() {
  return tracersFile === undefined ? Promise.resolve() : withScript(tracersFile, fillTracers)
}

function fillTracers() {
  place("tracers").hidden = false
  const shownAs = (value) => typeof value === "number" ? number(readable(value, 3)) : value ?? ""
  const titles = ["map", "beside", "outcome", "value", "p", "spaxels", "what it means"]
  const rows = SURVEY_TRACERS.rows.map((row) => rowOf(row.map(shownAs)))
  fillTable(place("tracer-rows"), titles.map((title, index) => headWithHelp(title, `tracers.${SURVEY_TRACERS.columns[index]}`)), rows)
  for (const [name, address] of Object.entries(SURVEY_TRACERS.pictures)) {
    place("tracer-pictures").append(element("img", "", { className: "figure", src: `../${address}`, alt: `clusters beside ${name}`, loading: "lazy" }))
  }
}

function fillAnswers() {
  const shownAs = (value) => typeof value === "number" ? number(readable(value, 3)) : value ?? ""
  const at = (name) => SURVEY_ANSWERS.columns.indexOf(name)
  const columns = ["question", "cluster", "value", "null_median", "threshold", "verdict", "meaning"]
  const rows = SURVEY_ANSWERS.rows.map((row) => rowOf(columns.map((name) =>
    name === "cluster" ? (row[at(name)] === 0 ? "" : String(row[at(name)])) : shownAs(row[at(name)]))))
  const titles = ["question", "cluster", "value", "simulated galaxies", "threshold", "verdict", "what it means"]
  fillTable(place("answers"), titles.map((title, index) => headWithHelp(title, `validation.${columns[index]}`)), rows)
}

function fillLines() {
  const head = ["", "µm", ...data.clusters.map((cluster, row) => `cluster ${row + 1}`)]
  const rows = data.features.map((feature) => rowOf([
    withHelp(feature.label, feature.name), number(readable(feature.wavelength, 5)),
    ...data.clusters.map((_, row) => feature.detected[row]
      ? number(withError(feature.flux[row], feature.err[row]))
      : number(feature.limit[row] === null ? "" : `< ${readable(feature.limit[row])}`, "number limit")),
  ]))
  fillTable(place("lines"), head, rows)
}

function fillDecisions() {
  const rows = data.tree.decisions.map((one) => rowOf([one.step, one.accepted ? "accepted" : "rejected", number(String(one.left)), number(String(one.right)),
    number(one.shape === null ? "" : `${(100 * one.shape).toFixed(1)}%`), one.meaning]))
  const head = [["step", "splits.step"], ["", ""], ["spaxels", "splits.n_left"], ["and", "splits.n_right"], ["difference of shape", "splits.shape"],
    ["what it means", "splits.meaning"]]
  fillTable(place("decisions"), head.map(([text, anchor]) => headWithHelp(text, anchor)), rows)
}

function offerFiles() {
  const columns = ["flux", "err", "detected", "limit", "ew", "ew_err", "region_flux", "region_err", "velocity_km_s"]
  place("save-lines").addEventListener("click", () => saveCsv(`${data.name}-lines.csv`, ["cluster", "feature", "wavelength_um", ...columns],
    data.features.flatMap((feature) => data.clusters.map((_, row) => [row + 1, feature.name, feature.wavelength, ...columns.map((column) => feature[column][row])]))))
  place("save-spectra").addEventListener("click", () => saveCsv(`${data.name}-spectra.csv`,
    ["wavelength_um", ...data.clusters.flatMap((_, row) => [`median_${row + 1}`, `err_${row + 1}`])],
    plot.wavelength.map((wavelength, i) => [wavelength, ...data.clusters.flatMap((_, row) => [plot.flux[row][i], plot.error[row][i]])])))
}

showFlags()
drawButtons()
plot.draw(place("spectrum"), true)
answerClicks()
fillClusters()
fillLines()
drawTree(place("tree"), data.tree)
fillDecisions()
offerFiles()
Promise.all([drawMaps(), showValidation(), showTracers()]).then(() => { document.body.dataset.ready = "yes" })

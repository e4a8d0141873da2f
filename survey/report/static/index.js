// The table of galaxies: sorted by a click on a column, filtered by words, a hundred rows at a time.
"use strict"

const ROWS_A_PAGE = 100
const COLUMNS = [
  ["", null], ["galaxy", "name"], ["instrument", "instrument", "galaxies.instrument"], ["z", "redshift", "galaxies.redshift"],
  ["spaxels", "n_spaxel", "galaxies.n_spaxel"], ["clusters", "n_cluster", "galaxies.n_cluster"], ["S/N", "snr", "galaxies.snr"],
  ["classes", "classes", "clusters.class"], ["verdict", "verdict", "galaxies.verdict"], ["flags", "flags", "flags-galaxies"],
]
const classified = typeof SURVEY_CLASSES === "undefined" ? { names: [], colors: [], galaxies: {} } : SURVEY_CLASSES
const verdicts = typeof SURVEY_VERDICTS === "undefined" ? {} : SURVEY_VERDICTS
const place = (id) => document.getElementById(id)

function classCounts(name) {
  const rows = classified.galaxies[name] ?? []
  return classified.names.map((className, index) => [className, rows.filter((row) => row.index === index).length]).filter(([, count]) => count > 0)
}

const galaxies = SURVEY_GALAXIES.rows.map((values) => {
  const row = Object.fromEntries(SURVEY_GALAXIES.columns.map((column, index) => [column, values[index]]))
  row.flags = row.flags.map((index) => SURVEY_GALAXIES.flags[index]).join("; ")
  row.classes = classCounts(row.name).map(([name, count]) => `${count} ${name}`).join(", ")
  row.verdict = verdicts[row.name]?.verdict ?? ""
  row.words = [row.name, row.instrument, row.classes, row.verdict, row.flags].join(" ").toLowerCase()
  return row
})
const view = { sorted: "name", ascending: true, page: 0, rows: galaxies }

function compare(a, b) {
  if (a === b) return 0
  if (a === null) return 1
  if (b === null) return -1
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true })
}

function refresh() {
  const words = place("filter").value.toLowerCase().split(/\s+/).filter(Boolean)
  view.rows = galaxies.filter((row) => words.every((word) => row.words.includes(word)))
  view.rows.sort((a, b) => (view.ascending ? 1 : -1) * compare(a[view.sorted], b[view.sorted]))
  view.page = Math.min(view.page, Math.max(0, Math.ceil(view.rows.length / ROWS_A_PAGE) - 1))
  draw()
}

function cell(content, className = "") {
  const made = document.createElement("td")
  made.className = className
  made.append(content)
  return made
}

function rowOf(row) {
  const made = document.createElement("tr")
  const picture = document.createElement("img")
  Object.assign(picture, { className: "thumbnail", loading: "lazy", alt: "", src: row.thumbnail })
  const link = document.createElement("a")
  Object.assign(link, { href: row.page, textContent: row.name })
  const shown = (value, digits) => value === null ? "" : Number(value.toPrecision(digits)).toString()
  made.append(cell(picture), cell(link), cell(row.instrument), cell(shown(row.redshift, 5), "number"), cell(String(row.n_spaxel), "number"),
    cell(String(row.n_cluster), "number"), cell(shown(row.snr, 3), "number"), cell(row.classes), verdictCell(row), cell(row.flags))
  return made
}

function verdictCell(row) {
  const made = cell(row.verdict, "verdict")
  made.title = verdicts[row.name]?.meaning ?? ""
  return made
}

function draw() {
  const head = document.createElement("thead")
  const top = document.createElement("tr")
  for (const [text, column, anchor] of COLUMNS) {
    const made = document.createElement("th")
    made.textContent = text + (column !== null && column === view.sorted ? (view.ascending ? " ▲" : " ▼") : "")
    if (anchor) made.append(" ", helpLink(anchor))
    if (column !== null) made.addEventListener("click", () => {
      view.ascending = column === view.sorted ? !view.ascending : true
      view.sorted = column
      refresh()
    })
    top.append(made)
  }
  head.append(top)
  const body = document.createElement("tbody")
  body.append(...view.rows.slice(view.page * ROWS_A_PAGE, (view.page + 1) * ROWS_A_PAGE).map(rowOf))
  place("galaxies").replaceChildren(head, body)
  place("count").textContent = `${view.rows.length} of ${galaxies.length} galaxies`
  drawPages()
}

function drawPages() {
  const last = Math.ceil(view.rows.length / ROWS_A_PAGE)
  const button = (text, step, possible) => {
    const made = document.createElement("button")
    Object.assign(made, { type: "button", textContent: text, disabled: !possible })
    made.addEventListener("click", () => { view.page += step; draw() })
    return made
  }
  place("pages").replaceChildren(...(last < 2 ? [] : [
    button("previous", -1, view.page > 0), ` page ${view.page + 1} of ${last} `, button("next", 1, view.page < last - 1),
  ]))
}

place("filter").addEventListener("input", () => { view.page = 0; refresh() })
refresh()
document.body.dataset.ready = "yes"

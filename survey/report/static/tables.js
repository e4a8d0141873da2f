// Tables of a page, and files that the browser saves.
"use strict"

function element(name, content = "", attributes = {}) {
  const made = document.createElement(name)
  if (content instanceof Node) made.append(content)
  else made.textContent = content
  Object.assign(made, attributes)
  return made
}

function rowOf(cells, kind = "td") {
  const row = document.createElement("tr")
  for (const cell of cells) row.append(cell instanceof HTMLTableCellElement ? cell : element(kind, cell))
  return row
}

function fillTable(table, head, rows) {
  table.replaceChildren()
  const top = document.createElement("thead")
  top.append(rowOf(head, "th"))
  const body = document.createElement("tbody")
  body.append(...rows)
  table.append(top, body)
}

function headWithHelp(text, anchor) {
  const cell = document.createElement("th")
  cell.append(text)
  if (anchor) cell.append(" ", helpLink(anchor))
  return cell
}

function withHelp(text, anchor) {
  const cell = element("td", text)
  cell.append(" ", helpLink(anchor))
  return cell
}

function number(text, className = "number") {
  return element("td", text, { className })
}

function swatch(color, text) {
  const cell = document.createElement("td")
  const dot = element("span", "", { className: "swatch" })
  dot.style.background = color
  cell.append(dot, text)
  return cell
}

function quoted(value) {
  const text = value === null || value === undefined || Number.isNaN(value) ? "" : String(value)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function saveCsv(name, head, rows) {
  const text = [head, ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n"
  const link = element("a", "", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name })
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}

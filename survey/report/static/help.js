// A "?" that leads to the definition of a number; pointing at it shows the definition.
"use strict"

const definitions = typeof SURVEY_DEFINITIONS === "undefined" ? {} : SURVEY_DEFINITIONS
const definitionsPage = document.querySelector('header a[href$="definitions.html"]').getAttribute("href")

function helpLink(anchor) {
  const link = document.createElement("a")
  Object.assign(link, { className: "help", href: `${definitionsPage}#${anchor}`, textContent: "?", title: definitions[anchor] ?? "what it means" })
  link.addEventListener("click", (event) => event.stopPropagation())
  return link
}

// What HTML alone cannot do: claims light up their events, the map goes by arrow keys, focus stays where it was.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---------------------------------------------------------------- claims and their events

let held = null; // the claim that was tapped, lit until another is or until Escape

function light(claim) {
  all(".lit").forEach((one) => one.classList.remove("lit"));
  if (!claim) return;
  const keys = new Set(claim.dataset.lights.split(" "));
  claim.classList.add("lit");
  for (const one of all("[data-event]")) if (keys.has(one.dataset.event)) one.classList.add("lit");
}

const claimOf = (event) => event.target.closest?.("[data-lights]") ?? null;

document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "mouse") light(claimOf(event) ?? held);
});
document.addEventListener("focusin", (event) => light(claimOf(event) ?? held));
document.addEventListener("click", (event) => {
  const claim = claimOf(event);
  if (!claim) return;
  event.preventDefault();
  held = held === claim ? null : claim;
  light(held ?? claim);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  light((held = null));
  document.getElementById("status").replaceChildren();
});

// ---------------------------------------------------------------- after a part of the page changed

document.addEventListener("htmx:after:swap", (event) => {
  held = null;
  // What was pressed may be gone; the list that changed is where to go on.
  if (document.activeElement === document.body && event.detail.ctx.target?.id === "person") {
    document.getElementById("recommendations")?.focus({ preventScroll: true });
  }
});
// ---------------------------------------------------------------- the chat

document.addEventListener("htmx:before:request", (event) => {
  const form = event.detail.ctx.sourceElement?.closest("form.ask");
  if (form) form.elements.question.value = ""; // what is sent was read before
});
document.addEventListener("click", (event) => {
  const example = event.target.closest?.("[data-try]");
  const field = document.getElementById("question");
  if (!example || !field) return;
  field.value = example.dataset.try;
  field.form.requestSubmit();
});

// ---------------------------------------------------------------- the map, one stop of the Tab key

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const place = (link) => {
  const circle = link.querySelector("circle");
  return [circle.cx.baseVal.value, circle.cy.baseVal.value];
};

function nearest(map, from, [dx, dy]) {
  const [x, y] = place(from);
  let best = null;
  let least = Infinity;
  for (const one of all("a", map)) {
    const [ox, oy] = place(one);
    const ahead = (ox - x) * dx + (oy - y) * dy;
    const aside = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
    if (one !== from && ahead > 0 && ahead + 2 * aside < least) [best, least] = [one, ahead + 2 * aside];
  }
  return best;
}

for (const map of all("[data-roving]")) {
  map.addEventListener("keydown", (event) => {
    const from = event.target.closest("a");
    if (!from || !ARROWS[event.key]) return;
    event.preventDefault();
    const next = nearest(map, from, ARROWS[event.key]);
    if (!next) return;
    from.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  const said = document.getElementById("map-now");
  for (const kind of ["focusin", "pointerover"]) {
    map.addEventListener(kind, (event) => {
      const link = event.target.closest("a");
      if (link) said.textContent = link.getAttribute("aria-label");
    });
  }
}

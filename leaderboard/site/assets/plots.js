"use strict";
// Draws the figures that a page holds as JSON, in the colours of its theme, once they are shown.
(function () {
  const NARROW = 600; // px
  const BUTTONS = ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"];
  const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: BUTTONS, showTips: false };
  const probe = document.createElement("span");
  probe.hidden = true;

  function colour(name) {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  // A colour is a key that ends in "color" with a value such as "@ink"; no text of a record stands under such a key.
  function themed(value, key) {
    if (Array.isArray(value)) return value.map((each) => themed(each, key));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, themed(each, name)]));
    const isColour = typeof value === "string" && value[0] === "@" && /color$/.test(key);
    return isColour ? (value === "@clear" ? "rgba(0,0,0,0)" : colour(value.slice(1))) : value;
  }

  function override(layout, path, value) {
    const keys = path.split(".");
    const last = keys.pop();
    const parent = keys.reduce((at, key) => (at[key] ??= {}), layout);
    parent[last] = value;
  }

  function draw(plot) {
    const { data, layout, narrow } = JSON.parse(plot.json);
    const fits = themed({ data, layout });
    fits.layout.font.family = getComputedStyle(document.body).fontFamily;
    if (plot.canvas.clientWidth < NARROW)
      for (const [path, value] of Object.entries(narrow || {})) override(fits.layout, path, value);
    plot.narrow = plot.canvas.clientWidth < NARROW;
    plot.drawn = true;
    return window.Plotly.react(plot.canvas, fits.data, fits.layout, CONFIG);
  }

  function start() {
    if (!window.Plotly) return;
    document.body.append(probe);
    const plots = [...document.querySelectorAll("script[data-plot]")].map((script) => ({
      json: script.textContent,
      canvas: document.getElementById(script.dataset.plot),
      drawn: false,
    }));
    const of = new Map(plots.map((plot) => [plot.canvas, plot]));
    const seen = new IntersectionObserver(
      (entries) => entries.forEach((entry) => {
        const plot = of.get(entry.target);
        if (entry.isIntersecting && !plot.drawn) draw(plot);
      }),
      { rootMargin: "1000000px" }, // what is shown, in view or not: a picture of the whole page has all plots
    );
    plots.forEach((plot) => seen.observe(plot.canvas));
    const redraw = (which) => plots.filter((plot) => plot.drawn && which(plot)).forEach(draw);
    document.addEventListener("themechange", () => redraw(() => true));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(() => true));
    addEventListener("resize", () => redraw((plot) => plot.canvas.clientWidth < NARROW !== plot.narrow));
    addEventListener("beforeprint", () => plots.filter((plot) => !plot.drawn && plot.canvas.clientWidth).forEach(draw));
  }

  start();
})();

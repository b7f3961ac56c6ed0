"use strict";
// Before anything is painted, so that a page does not flash in the other theme.
(function () {
  const KEY = "mibench-theme";
  const read = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const root = document.documentElement;
  root.classList.add("js");
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply(read());
  window.mibenchTheme = {
    next() {
      const order = ["system", "light", "dark"];
      const theme = order[(order.indexOf(this.current()) + 1) % order.length];
      apply(theme);
      try { localStorage.setItem(KEY, theme); } catch { /* remembered for this page alone */ }
      document.dispatchEvent(new Event("themechange"));
    },
    current: () => root.dataset.theme || "system",
  };
})();

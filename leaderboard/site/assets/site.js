"use strict";
// Sorting and filtering of tables, the choice of a sample size, and the theme's button. Without it all is there to read.
(function () {
  const DataTable = window.mibenchTables && window.mibenchTables.default;

  function enhance(block) {
    const table = block.querySelector("table");
    const none = { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null };
    const made = new DataTable(table, {
      layout: none, paging: false, info: false, autoWidth: false, order: [], orderCellsTop: true,
      language: { zeroRecords: "No row has these words." },
    });
    const filter = block.querySelector(".filter");
    const input = filter.querySelector("input");
    const found = filter.querySelector(".found");
    const total = made.rows().count();
    filter.hidden = total < 4;
    input.addEventListener("input", () => {
      made.search(input.value).draw();
      found.textContent = input.value ? `${made.rows({ search: "applied" }).count()} of ${total} rows` : "";
    });
  }

  // A shade at the right edge says that a table goes on there.
  function shade(edge) {
    const scroll = edge.querySelector(".scroll");
    const update = () => {
      edge.classList.toggle("more", scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 2);
    };
    scroll.addEventListener("scroll", update, { passive: true });
    new ResizeObserver(update).observe(scroll);
    update();
  }

  function choose() {
    const chooser = document.getElementById("chooser");
    if (!chooser) return;
    const sections = [...document.querySelectorAll("section.setting")];
    const show = (id) => {
      sections.forEach((section) => { section.hidden = section.id !== id; });
      chooser.querySelectorAll("input").forEach((input) => { input.checked = input.value === id; });
    };
    const asked = () => {
      const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
      return target && target.closest("section.setting");
    };
    const follow = () => {
      const section = asked();
      if (!section) return;
      show(section.id);
      document.getElementById(location.hash.slice(1)).scrollIntoView();
    };
    chooser.hidden = false;
    chooser.addEventListener("change", (event) => show(event.target.value));
    addEventListener("hashchange", follow);
    show((asked() || sections[sections.length - 1]).id);
  }

  function offerThemes() {
    const button = document.getElementById("theme");
    const names = { system: "auto", light: "light", dark: "dark" };
    const label = () => { button.textContent = `Theme: ${names[window.mibenchTheme.current()]}`; };
    button.hidden = false;
    button.addEventListener("click", () => { window.mibenchTheme.next(); label(); });
    label();
  }

  offerThemes();
  if (DataTable) document.querySelectorAll("[data-table]").forEach(enhance);
  choose();
  document.querySelectorAll(".edge").forEach(shade);
})();

// Runs in <head>, before the first paint: no flash of the wrong theme.
(() => {
  "use strict";
  const KEY = "foretide-theme";
  const system = matchMedia("(prefers-color-scheme: light)");
  const saved = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const apply = (choice) => {
    const root = document.documentElement;
    root.dataset.choice = choice;
    root.dataset.theme = choice === "system" ? (system.matches ? "light" : "dark") : choice;
  };
  const known = (choice) => (["dark", "light", "system"].includes(choice) ? choice : "system");
  apply(known(saved()));
  window.foretideTheme = {
    next() {
      // From the system's theme the first click shows the other one: a click that changes nothing looks broken.
      const order = system.matches ? ["system", "dark", "light"] : ["system", "light", "dark"];
      const choice = order[(order.indexOf(document.documentElement.dataset.choice) + 1) % order.length];
      try { localStorage.setItem(KEY, choice); } catch { /* private mode: the choice lasts for this page */ }
      apply(choice);
    },
    onSystemChange(listener) {
      system.addEventListener("change", () => { apply(document.documentElement.dataset.choice); listener(); });
    },
  };
})();

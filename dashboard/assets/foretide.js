// URL ⇄ stores ⇄ buttons, zoom, crosshair, theme, drawer. The URL is the only state: what it says survives a reload.
// ?range=1h | ?from=<ms>&to=<ms>, &refresh=off, &decision=<id>
(() => {
  "use strict";
  const RANGES = ["15m", "1h", "6h", "24h", "7d"];
  const DEFAULT_RANGE = "1h";
  const root = document.documentElement;
  const query = () => new URLSearchParams(location.search);
  const byId = (id) => document.getElementById(id);
  const set = (id, props) => window.dash_clientside.set_props(id, props);
  let last = { place: "", view: "" };

  const fixedWindow = (params) => {
    const from = Number(params.get("from")), to = Number(params.get("to"));
    return params.has("from") && params.has("to") && from < to ? { from, to } : null;
  };
  const following = (params) => !fixedWindow(params) && params.get("refresh") !== "off";

  const readPlace = () => {
    const parts = location.pathname.replace(/^\/ui\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
    if (!parts.length) return { page: "fleet" };
    if (parts[0] === "services" && parts.length === 3) return { page: "service", namespace: parts[1], name: parts[2] };
    return { page: "unknown" };
  };
  const chartWidth = () => {
    const room = innerWidth <= 760 ? innerWidth : innerWidth - 208;
    return Math.round(innerWidth > 1180 ? room * 0.68 : room);
  };
  const readView = () => {
    const params = query();
    const range = RANGES.includes(params.get("range")) ? params.get("range") : DEFAULT_RANGE;
    return { ...readPlace(), range, ...fixedWindow(params), theme: root.dataset.theme, width: chartWidth() };
  };
  const liveNow = () => following(query()) && !document.hidden;

  // The view first: a new page then draws with it, and only once.
  const publish = () => {
    const place = readPlace(), view = readView();
    if (JSON.stringify(view) !== last.view) { last.view = JSON.stringify(view); set("view", { data: view }); }
    if (JSON.stringify(place) !== last.place) { last.place = JSON.stringify(place); set("place", { data: place }); }
    set("tick", { disabled: !liveNow() });
    paint();
  };

  const go = (changes, { replace = false, path = location.pathname } = {}) => {
    const params = path === location.pathname ? query() : new URLSearchParams();
    for (const [key, value] of Object.entries(changes)) value === null ? params.delete(key) : params.set(key, value);
    const text = params.toString();
    history[replace ? "replaceState" : "pushState"](null, "", path + (text ? `?${text}` : ""));
    publish();
  };

  const time = (ms) => new Date(ms).toISOString();
  const windowText = ({ from, to }) => {
    const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
    const detail = to - from < 600_000 ? 19 : 16;
    const start = time(from), end = time(to);
    const same = start.slice(0, 10) === end.slice(0, 10);
    return `${day.format(from)} ${start.slice(11, detail)} – ${same ? "" : `${day.format(to)} `}${end.slice(11, detail)}`;
  };

  const paint = () => requestAnimationFrame(() => {
    const params = query(), place = readPlace(), view = readView(), fixed = fixedWindow(params);
    const live = following(params);
    root.dataset.page = place.page;
    document.title = place.page === "service" ? `${place.name} · Foretide` : "Fleet · Foretide";
    document.querySelectorAll("[data-range]").forEach((b) =>
      b.setAttribute("aria-pressed", String(!fixed && b.dataset.range === view.range)));
    const here = place.page === "service" ? `${place.namespace}/${place.name}` : place.page;
    document.querySelectorAll("[data-nav]").forEach((a) =>
      a.dataset.nav === here ? a.setAttribute("aria-current", "page") : a.removeAttribute("aria-current"));
    byId("live")?.setAttribute("aria-pressed", String(live));
    if (byId("live-text")) byId("live-text").textContent = live ? "Live 5 s" : "Paused";
    if (byId("fixed")) {
      byId("fixed").hidden = !fixed;
      if (fixed) byId("fixed-text").textContent = windowText(fixed);
    }
    const next = { dark: "light", light: "system", system: "dark" }[root.dataset.choice];
    byId("theme")?.setAttribute("aria-label", `Theme: ${root.dataset.choice}. Switch to ${next}`);
    byId("theme")?.setAttribute("title", `Theme: ${root.dataset.choice} (T)`);
    openAsked();
  });

  const copy = async (text) => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* plain http on another host */ }
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };

  const actions = {
    drawer: () => root.toggleAttribute("data-drawer"),
    live: () => {
      const params = query();
      go(following(params) ? { refresh: "off" } : { refresh: null, from: null, to: null });
    },
    unfix: () => go({ from: null, to: null }),
    theme: () => { window.foretideTheme.next(); publish(); },
    share: async () => {
      const done = await copy(location.href);
      byId("share-text").textContent = done ? "Copied" : "Press Ctrl+C in the address bar";
      setTimeout(() => { byId("share-text").textContent = "Share"; }, 1500);
    },
  };

  // Decisions: what is open stays open when the list is drawn again, and the first one open is in the address.
  const open = new Set(query().getAll("decision"));
  const openAsked = () => {
    document.querySelectorAll("details[data-decision]").forEach((d) => {
      if (d.open !== open.has(d.dataset.decision)) d.open = open.has(d.dataset.decision);
    });
  };
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("details[data-decision] > summary");
    if (!summary) return;
    event.preventDefault();
    const { decision } = summary.parentElement.dataset;
    open.has(decision) ? open.delete(decision) : open.add(decision);
    openAsked();
    const params = query();
    params.delete("decision");
    open.forEach((id) => params.append("decision", id));
    const text = params.toString();
    history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  });
  new MutationObserver((records) => {
    if (records.some((r) => r.target.id === "decisions" || r.target.parentElement?.id === "decisions")) openAsked();
  }).observe(document, { childList: true, subtree: true });

  document.addEventListener("click", (event) => {
    const action = event.target.closest("[data-act]")?.dataset.act;
    if (action) return void actions[action]();
    const range = event.target.closest("button[data-range]")?.dataset.range;
    if (range) return void go({ range: range === DEFAULT_RANGE ? null : range, from: null, to: null });
    if (event.target.closest("#notice")) return void set("notice", { children: null });
    const link = event.target.closest("a[href^='/ui/']");
    const row = event.target.closest("tr.row");
    const href = link?.getAttribute("href") ?? row?.querySelector("a.name")?.getAttribute("href");
    if (!href || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    root.removeAttribute("data-drawer");
    open.clear();
    const kept = query().get("range");
    go(kept ? { range: kept } : {}, { path: href });
    scrollTo(0, 0);
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) return;
    if (event.key === "Escape") { root.removeAttribute("data-drawer"); if (fixedWindow(query())) actions.unfix(); }
    else if (event.key === "t") actions.theme();
    else if (event.key === "l") actions.live();
    else if (readPlace().page === "service" && /^[1-5]$/.test(event.key)) {
      const range = RANGES[event.key - 1];
      go({ range: range === DEFAULT_RANGE ? null : range, from: null, to: null });
    }
  });

  // Crosshair: all charts of a page span the same time and have the same margins, so one pixel serves them all.
  const plots = () => [...document.querySelectorAll(".chart .js-plotly-plot")].filter((p) => p._fullLayout?.xaxis?._length);
  const crosshair = (plot, x) => {
    let line = plot.querySelector(".crosshair");
    if (!line) { line = document.createElement("div"); line.className = "crosshair"; plot.append(line); }
    line.hidden = x === null;
    if (x === null) return;
    const { _offset: top, _length: height } = plot._fullLayout.yaxis;
    Object.assign(line.style, { left: `${x}px`, top: `${top}px`, height: `${height}px` });
  };
  document.addEventListener("mousemove", (event) => {
    const over = event.target.closest?.(".js-plotly-plot");
    if (!over && !document.querySelector(".crosshair:not([hidden])")) return;
    let x = null;
    if (over?._fullLayout?.xaxis) {
      const axis = over._fullLayout.xaxis;
      const at = event.clientX - over.getBoundingClientRect().left;
      if (at >= axis._offset && at <= axis._offset + axis._length) x = at;
    }
    plots().forEach((plot) => crosshair(plot, x));
  });
  document.addEventListener("dblclick", (event) => {
    if (event.target.closest(".chart") && fixedWindow(query())) actions.unfix();
  });

  addEventListener("popstate", () => publish());
  document.addEventListener("visibilitychange", () => set("tick", { disabled: !liveNow() }));
  window.foretideTheme.onSystemChange(() => publish());
  let resized;
  addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(publish, 400); });

  const milliseconds = (v) => (typeof v === "number" ? v : Date.parse(`${v.replace(" ", "T")}Z`));
  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    foretide: {
      start() {
        const place = readPlace(), view = readView();
        last = { place: JSON.stringify(place), view: JSON.stringify(view) };
        // ±10 %: many open pages do not ask in the same instant.
        set("tick", { disabled: !liveNow(), interval: Math.round(5000 * (0.9 + 0.2 * Math.random())) });
        return [place, view];
      },
      paint() { paint(); return window.dash_clientside.no_update; },
      zoom() {
        const triggered = window.dash_clientside.callback_context.triggered[0]?.value;
        const from = triggered?.["xaxis.range[0]"], to = triggered?.["xaxis.range[1]"];
        if (from !== undefined && to !== undefined) {
          go({ from: Math.round(milliseconds(from)), to: Math.round(milliseconds(to)) });
        }
        return window.dash_clientside.no_update;
      },
    },
  });
})();

// Keeps a page alive: the server renders it, this asks for it again when something happened, and says how old it is.
"use strict";
(() => {
  const age = document.getElementById("age");
  let heard = Date.now();
  let shown = Date.now();
  let wanted = false;
  let loading = false;
  let focused = false;

  async function refresh() {
    if (loading || document.hidden) { wanted = true; return; }
    loading = true;
    wanted = false;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) { return; }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      const old = document.getElementById("live");
      focused = old.contains(document.activeElement);
      if (!fresh || focused) { return; }
      const top = window.scrollY;
      old.replaceWith(document.adoptNode(fresh));
      pickZoom();
      window.scrollTo(0, top);
      shown = Date.now();
    } catch (gone) {
      // The banner says how old the page is.
    } finally {
      loading = false;
    }
  }

  function banner() {
    const seconds = Math.round((Date.now() - Math.min(heard, shown)) / 1000);
    const stale = Date.now() - heard > 12000 || Date.now() - shown > 20000;
    age.hidden = !stale;
    const why = focused && Date.now() - heard <= 12000 ? "something on the page has the focus; press Esc" : "the node does not answer";
    if (stale) { age.textContent = "! data is " + seconds + " s old: " + why; }
  }

  function pickZoom() {
    const wish = new URLSearchParams(location.search).get("seconds") || "60";
    for (const figure of document.querySelectorAll("[data-timeline] figure")) { figure.hidden = figure.dataset.seconds !== wish; }
  }

  const stream = new EventSource("/events?after=" + (document.body.dataset.last || "0"));
  stream.onopen = () => { heard = Date.now(); wanted = true; };
  stream.addEventListener("alive", () => { heard = Date.now(); wanted = true; });
  for (const name of (document.body.dataset.events || "").split(" ")) { if (name) { stream.addEventListener(name, () => { heard = Date.now(); wanted = true; }); } }
  setInterval(() => { if (wanted) { refresh(); } banner(); }, 1000);
  setInterval(() => { wanted = true; }, 3000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { refresh(); } });
  document.addEventListener("keydown", (press) => {
    if (press.key === "Escape" && document.activeElement) { document.activeElement.blur(); refresh(); return; }
    if (press.ctrlKey || press.metaKey || press.altKey || /^(input|textarea|select)$/i.test(press.target.tagName)) { return; }
    const link = document.querySelector('a[accesskey="' + CSS.escape(press.key) + '"]');
    if (link) { link.click(); }
  });
  pickZoom();
})();

// npm install && npm run build: writes ../assets/plotly-foretide-<version>.min.js and the font beside it.
// Dash takes window.Plotly when it is there and then never asks for its own 4.8 MB copy.
import { build } from "esbuild";
import { copyFileSync, readFileSync } from "node:fs";

const modules = new URL("./node_modules/", import.meta.url);
const assets = new URL("../assets/", import.meta.url).pathname;
const version = JSON.parse(readFileSync(new URL("plotly.js/package.json", modules))).version;
await build({
  entryPoints: [new URL("entry.js", import.meta.url).pathname],
  outfile: `${assets}plotly-foretide-${version}.min.js`,
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "PlotlyModule",
  footer: { js: "window.Plotly=PlotlyModule.default||PlotlyModule;" },
  banner: { js: `/* plotly.js ${version}, scatter only. Copyright Plotly, Inc. MIT: see plotly-LICENSE.txt */` },
  legalComments: "none",
  define: { global: "window" },
  loader: { ".css": "text", ".png": "dataurl", ".svg": "dataurl", ".gif": "dataurl" },
  target: "es2020",
});
copyFileSync(new URL("plotly.js/LICENSE", modules), `${assets}plotly-LICENSE.txt`);
const inter = new URL("@fontsource-variable/inter/", modules);
const interVersion = JSON.parse(readFileSync(new URL("package.json", inter))).version;
copyFileSync(
  new URL("files/inter-latin-wght-normal.woff2", inter),
  `${assets}inter-${interVersion}-latin-wght-normal.woff2`,
);
copyFileSync(new URL("LICENSE", inter), `${assets}inter-OFL.txt`);

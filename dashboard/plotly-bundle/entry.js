// Scatter is part of the core; lines, steps, bands and markers need nothing else.
// A page that draws bars or treemaps registers them here and builds again.
import Plotly from "plotly.js/lib/core";

export default Plotly;

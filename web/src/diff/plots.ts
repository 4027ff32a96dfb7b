/** All that the plot library draws, in one part of the page that comes after the numbers. */

export { default as SpreadPlot } from "./spread-plot";
export { default as Strip } from "./strip";
export { default as TimePlot } from "./time-plot";

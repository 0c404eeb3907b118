// Usd: dollars that add up to the cent however many there are.
//
//   US1. An amount is a whole number of billionths of a dollar, and the number nearest to it stands for it. Each sum is
//        brought back to that grid, so what a sum is does not depend on the order or the grouping of what was added: up
//        to a million dollars it is exact.

const PER_USD = 1e9;

/** The nearest amount on the grid (US1). */
export const usd = (dollars: number): number => Math.round(dollars * PER_USD) / PER_USD;

/** Of amounts that are on the grid. */
export const addUsd = (a: number, b: number): number => usd(a + b);

// Flights: work that is under way, by name. Whoever asks for the same meanwhile shares it; nothing is remembered after.

export class Flights<Result> {
  readonly #underWay = new Map<string, Promise<Result>>();

  get(name: string): Promise<Result> | undefined {
    return this.#underWay.get(name);
  }

  /** Begins the work, or joins it. */
  share(name: string, work: () => Promise<Result>): Promise<Result> {
    const known = this.#underWay.get(name);
    if (known !== undefined) return known;
    const flight = work().finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, flight);
    return flight;
  }
}

import parsePrometheusTextFormat from 'parse-prometheus-text-format';

/** What a real parser makes of `/metrics`. */
export class Scrape {
  readonly families: ReadonlyMap<string, ReturnType<typeof parsePrometheusTextFormat>[number]>;
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
    this.families = new Map(parsePrometheusTextFormat(text).map((each) => [each.name, each]));
  }

  static async of(url: string): Promise<Scrape> {
    const response = await fetch(`${url}/metrics`);
    if (response.status !== 200) throw new Error(`/metrics answers ${response.status}`);
    return new Scrape(await response.text());
  }

  /** The number of a metric; with labels, of those. 0 where nothing was counted yet. */
  value(name: string, labels: { readonly [label: string]: string } = {}): number {
    const family = this.families.get(name);
    if (family === undefined) throw new Error(`there is no metric ${name}`);
    const fits = ({ labels: own = {} }: { labels?: { readonly [label: string]: string } }) =>
      Object.entries(labels).every(([label, value]) => own[label] === value);
    return Number(family.metrics.find(fits)?.value ?? 0);
  }

  /** How many durations a histogram holds. */
  count(name: string): number {
    return Number(this.families.get(name)?.metrics[0]?.count ?? 0);
  }
}

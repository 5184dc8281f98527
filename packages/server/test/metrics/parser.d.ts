declare module 'parse-prometheus-text-format' {
  type Metric = {
    readonly value?: string;
    readonly labels?: { readonly [label: string]: string };
    readonly count?: string;
    readonly sum?: string;
    readonly buckets?: { readonly [le: string]: string };
  };
  type Family = {
    readonly name: string;
    readonly help: string;
    readonly type: string;
    readonly metrics: readonly Metric[];
  };
  export default function parsePrometheusTextFormat(text: string): readonly Family[];
}

/** The pages of an application, served beside its data. */
export type SiteOptions = {
  /** Where the built files are; `index.html` is what `/` shows. */
  readonly directory: string;
  /**
   * The file that is shown for pages of which there is none, such as `index.html` where the application has routes of its
   * own. Scripts and pictures that are missing stay missing.
   */
  readonly fallback?: string;
  /** Headers of every answer with a file. Without a `Content-Security-Policy`, pages get by with what this server has. */
  readonly headers?: { readonly [name: string]: string };
};

/** What a server is given as `site`: a directory, or more about one. */
export type Site = string | SiteOptions;

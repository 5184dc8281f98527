declare module '@20minutes/s3rver' {
  /** A server that speaks S3 and keeps its objects in a directory. */
  export default class S3rver {
    constructor(options: {
      readonly port: number;
      readonly address: string;
      readonly directory: string;
      readonly silent: boolean;
      readonly allowMismatchedSignatures: boolean;
    });
    /** Its log, by winston. */
    readonly logger: { silent: boolean };
    run(): Promise<{ readonly port: number }>;
    close(): Promise<void>;
  }
}

// The two platform classes that the codecs use; the compiler's library is plain ES2023 here, so that nothing else slips in.
declare class TextDecoder {
  constructor(encoding: 'utf-8', options: { readonly fatal: boolean; readonly ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}

declare class TextEncoder {
  encodeInto(text: string, target: Uint8Array): { readonly read: number; readonly written: number };
}

// Base64, which has no class.
declare function atob(base64: string): string;
declare function btoa(bytes: string): string;

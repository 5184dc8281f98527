import { BlockList, isIP } from 'node:net';

type Range = readonly [address: string, bits: number];

/** IPv4 that is not for everyone (RFC 6890 and its successors), and where clouds keep what their machines may know of themselves. */
const internal: readonly Range[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/** Of the global unicast of IPv6: what carries other addresses inside (Teredo, 6to4), and what is for documents. */
const special: readonly Range[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const internal4 = listOf(internal, 'ipv4');
const global6 = listOf([['2000::', 3]], 'ipv6');
const special6 = listOf(special, 'ipv6');
/** The last 32 bits are an IPv4 address: mapped (RFC 4291), and NAT64 (RFC 6052). */
const carrying6 = listOf(
  [
    ['::ffff:0:0', 96],
    ['64:ff9b::', 96],
  ],
  'ipv6',
);

/** Where webhooks may go (stores.md §17.6): to public addresses, and to what an operator allows besides. */
export class Allowed {
  readonly #names = new Set<string>();
  readonly #addresses = new BlockList();

  /** Host names, addresses, and ranges such as `10.1.0.0/16`. Throws `TypeError` for anything else. */
  constructor(allow: readonly string[]) {
    for (const entry of allow) this.#allow(entry);
  }

  /** Whether a host may be reached at an address that its name resolved to. */
  permits(host: string, address: string): boolean {
    return this.lists(host) || this.#listsAddress(address) || isPublic(address);
  }

  /** Whether a host is allowed by its name. */
  lists(host: string): boolean {
    return this.#names.has(host.toLowerCase());
  }

  #allow(entry: string): void {
    const [address = '', bits, ...rest] = entry.split('/');
    const version = isIP(address);
    const most = version === 4 ? 32 : 128;
    if (version === 0) {
      if (bits !== undefined || !/^[\w.-]+$/.test(entry)) throw malformed(entry);
      this.#names.add(entry.toLowerCase());
      return;
    }
    const length = bits === undefined ? most : Number(/^\d{1,3}$/.exec(bits)?.[0] ?? NaN);
    if (!(length <= most) || rest.length > 0) throw malformed(entry);
    this.#addresses.addSubnet(address, length, familyOf(version));
  }

  #listsAddress(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#addresses.check(address, familyOf(version));
  }
}

function malformed(entry: string): TypeError {
  return new TypeError(
    `webhooks.allow: "${entry}" is no host name, address or range like 10.1.0.0/16.`,
  );
}

/** Whether an address is one of the public internet; what is no address is not. */
export function isPublic(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !internal4.check(address, 'ipv4');
  if (version === 0 || address.includes('%')) return false;
  if (carrying6.check(address, 'ipv6')) return isPublic(carriedBy(address));
  return global6.check(address, 'ipv6') && !special6.check(address, 'ipv6');
}

/** The last 32 bits of an IPv6 address, as IPv4. */
function carriedBy(address: string): string {
  // The URL parser writes every way to write an address in one way, in hexadecimal groups.
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split(':');
  const [high = 0, low = 0] = groups.slice(-2).map((group) => parseInt(group || '0', 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function familyOf(version: number): 'ipv4' | 'ipv6' {
  return version === 4 ? 'ipv4' : 'ipv6';
}

function listOf(ranges: readonly Range[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  for (const [address, bits] of ranges) list.addSubnet(address, bits, family);
  return list;
}

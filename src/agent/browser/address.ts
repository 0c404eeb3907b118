// Address: which addresses of a network belong to the public internet.
//
// Owns the lists. A name is never looked at here: what counts is where it leads.
import { BlockList, isIP } from 'node:net';

/** Not for the public, by RFC 6890 and the registries behind it. */
const PRIVATE_4: readonly (readonly [net: string, bits: number])[] = [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // shared by carriers
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local, and where clouds keep their metadata
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3], // multicast, reserved, broadcast
];

/** All of IPv6 that is public is in here. */
const GLOBAL_6: readonly [net: string, bits: number] = ['2000::', 3];

/** Within it, what is not, or carries an IPv4 address that nobody has looked at. */
const PRIVATE_6: readonly (readonly [net: string, bits: number])[] = [
  ['2001::', 23], // protocol assignments, Teredo among them
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4
  ['3fff::', 20], // documentation
];

const private4 = new BlockList();
for (const [net, bits] of PRIVATE_4) private4.addSubnet(net, bits, 'ipv4');
const private6 = new BlockList();
for (const [net, bits] of PRIVATE_6) private6.addSubnet(net, bits, 'ipv6');
const global6 = new BlockList();
global6.addSubnet(...GLOBAL_6, 'ipv6');

/** False for anything that is no address. */
export function isPublic(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !private4.check(address, 'ipv4');
    case 6:
      return global6.check(address, 'ipv6') && !private6.check(address, 'ipv6');
    default:
      return false;
  }
}

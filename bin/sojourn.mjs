#!/usr/bin/env node
// Old syntax on purpose: whatever Node there is must get as far as the message.
var NEEDED = [24, 15];
var found = process.versions.node.split('.').map(Number);
if (found[0] < NEEDED[0] || (found[0] === NEEDED[0] && found[1] < NEEDED[1])) {
  process.stderr.write(
    'sojourn needs Node ' +
      NEEDED.join('.') +
      ' or newer; this is ' +
      process.versions.node +
      '.\n' +
      '  Install it from https://nodejs.org, or run: npx -p node@24 sojourn\n',
  );
  process.exitCode = 1;
} else {
  import('../dist/cli/main.js').catch(function (error) {
    process.stderr.write(String(error && error.stack) + '\n');
    process.exitCode = 1;
  });
}

#!/usr/bin/env node
// Starts the ocmesh binary that npm installed beside this package: same arguments, same streams, same end. Needs no install script.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

/** The package with the binary for this machine; `null` where there is none. */
function platformPackage() {
  const musl = process.platform === 'linux' && !process.report?.getReport?.().header?.glibcVersionRuntime;
  const name = `@ocmesh/${process.platform}-${process.arch}`;
  return !musl && Object.hasOwn(require('../package.json').optionalDependencies, name) ? name : null;
}

function locate() {
  const name = platformPackage();
  if (!name) {
    const machine = `${process.platform} on ${process.arch}`;
    fail(`ocmesh has no npm package for this machine (${machine})`, 'build it from source: https://github.com/ocmesh/ocmesh');
  }
  try {
    const file = process.platform === 'win32' ? 'ocmesh.exe' : 'ocmesh';
    const binary = path.join(path.dirname(require.resolve(`${name}/package.json`)), 'bin', file);
    fs.accessSync(binary, fs.constants.X_OK);
    return binary;
  } catch {
    fail(`the package ${name}, which holds the program, is not installed`, 'npm install -g ocmesh --include=optional');
  }
}

function fail(what, hint) {
  process.stderr.write(`error: ${what}\n  try: ${hint}\n`);
  process.exit(1);
}

function run(binary, args) {
  // A newer Node lets the program take this process over: nothing of Node stays in memory, and streams, signals and the end are its own.
  if (process.execve && process.platform !== 'win32') process.execve(binary, [binary, ...args], process.env);
  const child = spawn(binary, args, { stdio: 'inherit' });
  child.on('error', (error) => fail(`${binary} could not be started: ${error.message}`, 'npm install -g ocmesh --force'));
  // Whoever stops us means the program. A terminal's Ctrl-C reaches it by itself, but must not end us before it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) {
    process.on(signal, () => {
      if (!(signal === 'SIGINT' && process.stdin.isTTY)) child.kill(signal);
    });
  }
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

run(locate(), process.argv.slice(2));

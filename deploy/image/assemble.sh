# Builds the services in the folder it runs in, and puts what an image holds beside its base into OUT: assemble.sh OUT
set -eu
out=$1
[ -s /etc/koi-npmrc ] && export NPM_CONFIG_USERCONFIG=/etc/koi-npmrc

npm ci --no-audit --no-fund
pinned=$PWD/node_modules/node/bin/node
"$pinned" node_modules/typescript/bin/tsc -b apps/coordinator/tsconfig.lib.json apps/producer/tsconfig.lib.json \
  apps/mcp-gateway/tsconfig.lib.json apps/cli/tsconfig.lib.json
install -D -m 755 "$pinned" "$out/usr/local/bin/node"
npm prune --omit=dev --no-audit --no-fund

app=$out/app
mkdir -p "$app"
cp package.json LICENSE "$app/"
cp -a node_modules "$app/node_modules"
for folder in apps/* libs/* libs/domains/*; do
  [ -d "$folder/dist" ] || continue
  mkdir -p "$app/$folder"
  cp -a "$folder/package.json" "$folder/dist" "$app/$folder/"
  for part in bin node_modules; do
    if [ -d "$folder/$part" ]; then cp -a "$folder/$part" "$app/$folder/"; fi
  done
done
# Links of workspaces that are not in the image, and what no program reads.
find "$app/node_modules/@koi-mcp" -xtype l -delete
find "$app" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.tsbuildinfo' -o -name '*.md' \) -delete
rm -rf "$app/node_modules/.bin" "$app/node_modules/.package-lock.json" "$app/node_modules/rxjs/src" \
  "$app/node_modules/rxjs/dist/esm5" "$app/node_modules/rxjs/dist/bundles" "$app/node_modules/libphonenumber-js/bundle"
if command -v strip >/dev/null; then
  find "$out/usr/local/bin/node" "$app" -type f \( -name node -o -name '*.so' -o -name '*.node' \) -exec strip --strip-unneeded {} +
fi

ln -s /app/apps/cli/bin/koi-mcp.js "$out/usr/local/bin/koi-mcp"
install -d -m 750 "$out/var/lib/koi-mcp"
chown 65532:65532 "$out/var/lib/koi-mcp"

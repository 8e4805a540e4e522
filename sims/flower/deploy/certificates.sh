#!/usr/bin/env bash
# certificates.sh FOLDER [HOST ...]: a certificate authority, a certificate of the SuperLink for its host names, a secret.
source "$(dirname "$0")/environment.sh"
need 1 "$0" "$@"
folder="$1"
shift
mkdir -p "$folder"
umask 077

names="DNS:localhost,IP:127.0.0.1"
for host in "$@"; do
    if [[ "$host" =~ ^[0-9.]+$|: ]]; then names+=",IP:$host"; else names+=",DNS:$host"; fi
done

if [ ! -f "$folder/ca.key" ]; then
    say "a certificate authority: $folder/ca.crt (give it to every node), ca.key (keep it)"
    openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -noenc -sha384 -days 3650 \
        -subj "/CN=fedkd certificate authority" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$folder/ca.key" -out "$folder/ca.crt" 2>/dev/null
fi

say "a certificate of the SuperLink for $names: $folder/server.crt, server.key"
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -noenc -subj "/CN=fedkd SuperLink" \
    -keyout "$folder/server.key" -out "$folder/server.csr" 2>/dev/null
openssl x509 -req -in "$folder/server.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -sha384 -days 365 \
    -extfile <(printf '%s\n' "subjectAltName=$names" "basicConstraints=CA:FALSE" "extendedKeyUsage=serverAuth") \
    -out "$folder/server.crt" 2>/dev/null
rm "$folder/server.csr"
# What starts ServerApps proves to the SuperLink that it may.
[ -f "$folder/serverapps.secret" ] || openssl rand -out "$folder/serverapps.secret" 32
chmod a+r "$folder/ca.crt" "$folder/server.crt"

# How a pod of Redis and its sentinel begin: whose master, and with which settings. $1: redis, sentinel, or
# leave, before a pod ends.
umask 077
me=$(hostname).redis-nodes
password=$(cat /run/secrets/hubbub/REDIS_PASSWORD)

# What the sentinels say, each asked for 2 s at most. The first pods to start find none: redis-0 is the master then.
master() {
  for peer in redis-0 redis-1 redis-2; do
    found=$(timeout 2 redis-cli -h "$peer.redis-nodes" -p 26379 sentinel get-master-addr-by-name hubbub 2>/dev/null | head -n 1 || true)
    case $found in
      *.redis-nodes) echo "$found"; return ;;
    esac
  done
  echo redis-0.redis-nodes
}

case $1 in
  redis)
    {
      cat /etc/redis-config/redis.conf
      printf 'requirepass "%s"\nmasterauth "%s"\nreplica-announce-ip %s\n' "$password" "$password" "$me"
      # A replica that begins anew needs its master's data by a file in memory.
      echo 'repl-diskless-load on-empty-db'
      if [ "$(master)" != "$me" ]; then echo "replicaof $(master) 6379"; fi
    } >/run/redis/redis.conf
    exec redis-server /run/redis/redis.conf
    ;;
  sentinel)
    {
      echo 'port 26379'
      echo 'dir /tmp'
      echo 'sentinel resolve-hostnames yes'
      echo 'sentinel announce-hostnames yes'
      echo "sentinel announce-ip $me"
      echo "sentinel monitor hubbub $(master) 6379 2"
      printf 'sentinel auth-pass hubbub "%s"\n' "$password"
      echo 'sentinel down-after-milliseconds hubbub 3000'
      echo 'sentinel failover-timeout hubbub 30000'
    } >/run/redis/sentinel.conf
    exec redis-server /run/redis/sentinel.conf --sentinel
    ;;
  leave)
    if [ "$(master)" = "$me" ]; then timeout 2 redis-cli -p 26379 sentinel failover hubbub || true; fi
    ;;
esac

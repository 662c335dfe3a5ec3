import json, os, random, time, urllib.error, urllib.request

ROOM, TOKEN = "https://chat.example.org/api/rooms/greenhouse", os.environ["TOKEN"]
HEADERS = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
waiting = []

while True:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    waiting.append({"sensor_id": "t1", "value": 20 + random.random(), "at": at})
    body = json.dumps({"readings": waiting[:1000]}).encode()
    request = urllib.request.Request(f"{ROOM}/sensors/readings", body, HEADERS)
    try:
        urllib.request.urlopen(request, timeout=10).close()
        del waiting[:1000]
    except (urllib.error.URLError, TimeoutError) as error:
        print("kept for the next try:", error)
    time.sleep(1 + random.random() / 10)

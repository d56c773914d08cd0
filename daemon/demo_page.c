/* SPDX-License-Identifier: MIT
 *
 * The demo worker's page, whole in one file so that the binary needs nothing beside it. */
#include <unistd.h>

#include "base/mem.h"
#include "daemon/demo.h"

/* The worker's name, its process and its count of requests are put in. */
#define PAGE                                                                                                 \
    "<!doctype html>\n"                                                                                      \
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "                               \
    "content=\"width=device-width,initial-scale=1\">\n"                                                      \
    "<title>drover: it works</title><link rel=\"icon\" href=\"data:,\">\n"                                   \
    "<style>\n"                                                                                              \
    ":root{color-scheme:light dark;--edge:#8884;--accent:#2a7de1}\n"                                         \
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\n"             \
    "section{border:1px solid var(--edge);border-radius:10px;padding:1rem 1.2rem;margin:1rem 0}\n"           \
    "h1{margin:0}h2{margin:0 0 .5rem;font-size:1.1rem}\n"                                                    \
    "button,input{font:inherit;padding:.35rem .8rem;border:1px solid var(--edge);border-radius:6px}\n"       \
    "button{cursor:pointer;background:var(--accent);color:#fff;border:0}\n"                                  \
    ".row{display:flex;gap:.5rem;flex-wrap:wrap;align-items:center}.row input{flex:1;min-width:8rem}\n"      \
    ".bar{height:1.1rem;background:var(--accent);border-radius:4px;min-width:3px}\n"                         \
    ".bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:.25rem .8rem;"                 \
    "margin-top:.8rem;align-items:center}\n"                                                                 \
    "pre{max-height:11rem;overflow:auto;background:#8881;padding:.6rem;border-radius:6px;"                   \
    "margin:.8rem 0 0;white-space:pre-wrap}\n"                                                               \
    "</style></head><body>\n"                                                                                \
    "<h1>drover</h1>\n"                                                                                      \
    "<p>This page came from worker <b id=\"name\">%s</b>, process %d, which has answered %llu "              \
    "requests.</p>\n"                                                                                        \
    "<section><h2>Who answers?</h2>\n"                                                                       \
    "<p>The one with the least to do: a worker that holds your WebSocket below comes last.</p>\n"            \
    "<div class=\"row\"><button id=\"ask\">Ask 40 times</button><button id=\"slow\">Ask for 6 slow "         \
    "answers at once</button><span id=\"took\"></span></div>\n"                                              \
    "<div class=\"bars\" id=\"bars\"></div></section>\n"                                                     \
    "<section><h2>WebSocket</h2>\n"                                                                          \
    "<form class=\"row\" id=\"say\"><input id=\"text\" placeholder=\"say something\" "                       \
    "autocomplete=\"off\"><button>Send</button></form>\n"                                                    \
    "<pre id=\"log\"></pre></section>\n"                                                                     \
    "<section><h2>Server-sent events</h2>\n"                                                                 \
    "<div class=\"row\"><button id=\"listen\">Listen to ten ticks</button></div><pre "                       \
    "id=\"ticks\"></pre></section>\n"                                                                        \
    "<p>More: <a href=\"/who\">/who</a>, <a href=\"/slow?ms=2000\">/slow?ms=2000</a>, <a "                   \
    "href=\"/echo\">/echo</a> (the request as it arrived here).</p>\n"                                       \
    "<script>\n"                                                                                             \
    "const $=id=>document.getElementById(id),seen={};\n"                                                     \
    "function count(name){seen[name]=(seen[name]||0)+1;const most=Math.max(...Object.values(seen));"         \
    "$('bars').replaceChildren();\n"                                                                         \
    " for(const key of Object.keys(seen).sort()){const name=document.createElement('span'),"                 \
    "bar=document.createElement('div'),number=document.createElement('span');\n"                             \
    "  name.textContent=key;bar.className='bar';bar.style.width=100*seen[key]/most+'%%';"                    \
    "number.textContent=seen[key];$('bars').append(name,bar,number)}}\n"                                     \
    "async function ask(path,times){const start=performance.now();\n"                                        \
    " await Promise.all(Array.from({length:times},async()=>{const answer=await fetch(path,"                  \
    "{cache:'no-store'});await answer.text();\n"                                                             \
    "  count(answer.headers.get('x-worker')||'?')}));\n"                                                     \
    " $('took').textContent=Math.round(performance.now()-start)+' ms'}\n"                                    \
    "$('ask').onclick=()=>ask('/who',40);\n"                                                                 \
    "$('slow').onclick=()=>ask('/slow?ms=1000',6);\n"                                                        \
    "function note(box,text){$(box).textContent+=text+'\\n';$(box).scrollTop=$(box).scrollHeight}\n"         \
    "let socket;\n"                                                                                          \
    "function connect(){socket=new WebSocket((location.protocol==='https:'?'wss://':'ws://')+locatio"        \
    "n.host+'/ws?hello');\n"                                                                                 \
    " socket.onmessage=event=>note('log','< '+event.data);\n"                                                \
    " socket.onclose=event=>{note('log','closed ('+event.code+'), connecting again');"                       \
    "setTimeout(connect,1000)}}\n"                                                                           \
    "connect();\n"                                                                                           \
    "$('say').onsubmit=event=>{event.preventDefault();if(socket.readyState!==1)return;note('log',"           \
    "'> '+$('text').value);socket.send($('text').value);$('text').value=''};\n"                              \
    "$('listen').onclick=()=>{$('ticks').textContent='';const events=new "                                   \
    "EventSource('/stream?ticks=10&ms=400');\n"                                                              \
    " events.onmessage=event=>note('ticks',event.data);events.onerror=()=>events.close()};\n"                \
    "</script></body></html>\n"

char *demo_page_html(const struct demo *demo)
{
    return mem_print(PAGE, demo->name, (int)getpid(), (unsigned long long)demo->requests + 1);
}
